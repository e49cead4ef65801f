"""Ask language models: one client in front of an endpoint, a model on disk, or recorded answers.

`asking` says what a question and an answer are; `endpoint`, `local` and `replay` answer; `client`
keeps answers, counts what they cost and stops at a budget; `prompts` holds the wording, and
`verdicts` reads answers as numbers.
"""
