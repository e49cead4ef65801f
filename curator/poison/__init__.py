"""Signs of planted text: detectors, each of which can be wrong, and none of which can clear a pool.

Attacks are those of Zhang et al. 2024, "Persistent Pre-Training Poisoning of LLMs"
(arXiv:2410.13722): a trigger before gibberish, a trigger before a copy of the context, statements
repeated without a trigger, often in chat templates. The numbers here are ours unless said.
"""
