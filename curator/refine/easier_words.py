"""More frequent words for rare ones: a short list of our own, and endings that come off.

Neither needs a model or a dictionary, and neither is sure: an ending that comes off may leave a
sentence that a teacher would mark. A word that neither helps has no alternative.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from curator.refine.vocabulary import Vocabulary

# Rare word:plainer ones, the nearest first. Ours; English, and of everyday prose.
_PAIRS: Final = """
abandon:leave abandoned:left absence:lack absent:gone abundant:many accelerate:speed
accompany:join accomplish:do accomplished:done accumulate:gather accurate:right|true acquire:get
acquired:got additional:more|other adequate:enough adjacent:next|near adolescent:young aid:help
allow:let alter:change altered:changed ancient:old annual:yearly|year apparel:clothes
apparent:clear approximately:about|near arise:come ascend:rise|climb assemble:gather|meet
assist:help assistance:help attempt:try attempted:tried attire:clothes beneath:under
beverage:drink brief:short briefly:soon capable:able cease:stop|end ceased:stopped
commence:start|begin commenced:started|began comprehend:understand conceal:hide concealed:hid
conclude:end concluded:ended conclusion:end construct:build constructed:built consume:eat|use
consumed:ate|used correct:right costly:dear create:make created:made currently:now damp:wet
deceased:dead decease:death decrease:less|fall demonstrate:show demonstrated:showed
depart:leave|go departed:left desire:want desired:wanted detect:find determine:find|decide
difficult:hard difficulty:trouble|problem discover:find discovered:found dispute:fight distant:far
dwelling:home|house elderly:old elevate:raise|lift eliminate:remove employ:use employed:used
encounter:meet encountered:met endeavor:try enormous:huge|big ensure:make enquire:ask inquire:ask
entire:whole|all entirely:all equivalent:equal|same error:mistake|wrong essential:needed|important
evident:clear examine:look examined:looked exceed:pass|beat excellent:good|great exhausted:tired
expensive:dear|high exhibit:show facilitate:help famed:known female:woman finally:last|then
forbid:stop former:old|past fortunate:lucky|happy frequently:often fundamental:basic furnish:give
furthermore:also gigantic:huge|big glance:look grasp:hold hence:so however:but humorous:funny
identical:same illuminate:light illustrate:show immediately:now|soon immense:huge|big impair:hurt
incorrect:wrong increase:grow|rise increased:grew|rose individual:person|one individuals:people
indicate:show|say indicated:showed|said inexpensive:cheap inform:tell informed:told infant:baby
inhabit:live initial:first initially:first initiate:start injure:hurt injured:hurt injury:hurt
inside:in instruct:teach intelligent:smart|clever intend:plan|mean investigate:study|look
journey:trip lacking:without large:big largely:mostly lengthy:long liberty:freedom loyal:true
magnificent:great maintain:keep maintained:kept male:man manufacture:make manufactured:made
massive:huge|big merely:only|just method:way minor:small modify:change modified:changed
moreover:also mention:say|name necessary:needed nevertheless:but|still notify:tell numerous:many
objective:goal|aim obtain:get obtained:got occupation:job|work occur:happen occurred:happened
occurs:happens occasionally:sometimes operate:run|work option:choice ordinary:common|plain
originate:come overcome:beat permit:let permitted:let physician:doctor portion:part
possess:have|own possesses:has|owns possessed:had|owned possession:thing previous:last|before
previously:before primarily:mostly|mainly primary:main|first principal:main prior:before
prohibit:stop proceed:go prominent:known|important promptly:soon purchase:buy purchased:bought
rapid:fast|quick rapidly:fast|quickly recall:remember recollect:remember regarding:about
region:area|place regulation:rule rehearse:practice reliable:sure relocate:move remain:stay
remained:stayed remainder:rest remark:say remarked:said remedy:cure repair:fix reply:answer
replied:answered|said represent:mean|show request:ask requested:asked require:need required:needed
requires:needs reside:live resided:lived residence:home|house respond:answer
responded:answered|said retain:keep retained:kept reveal:show revealed:showed scarcely:hardly
select:choose|pick selected:chose|picked significant:big|important similar:like|same
situated:set|placed slay:kill slender:thin spouse:wife|husband stroll:walk sufficient:enough
supply:give supplied:gave terminate:end terminated:ended therefore:so thus:so transform:change
transmit:send transport:carry tremendous:huge|great ultimately:last unable:not
unusual:strange|rare utilize:use utilized:used vacant:empty valuable:dear vanish:go vanished:went
various:many|different vehicle:car velocity:speed vessel:ship|boat warrior:soldier wealthy:rich
weary:tired whilst:while within:in withdraw:leave youth:young yield:give
"""
_ENDINGS: Final = (  # what comes off, and what takes its place; of English
    ("ies", "y"), ("es", ""), ("s", ""), ("ied", "y"), ("ed", ""), ("ed", "e"), ("ing", ""),
    ("ing", "e"), ("ily", "y"), ("ly", ""), ("est", ""), ("est", "e"), ("er", ""), ("er", "e"),
)  # fmt: skip
_LEAST: Final = 3  # letters that must be left
EASIER: Final = {
    rare: tuple(plain.split("|")) for rare, plain in (pair.split(":") for pair in _PAIRS.split())
}


def easier(word: str, vocabulary: Vocabulary) -> str | None:
    """Return a word of the vocabulary to say instead of one that is not in it, or None.

    Of several the nearest in meaning: our list first, then the word without an ending.

    Args:
        word: in lower case.
        vocabulary: what may be said.
    """
    return next((other for other in _alternatives(word) if other in vocabulary.place), None)


def _alternatives(word: str) -> Iterator[str]:
    yield from EASIER.get(word, ())
    for ending, put in _ENDINGS:
        if not word.endswith(ending):
            continue
        stem = word.removesuffix(ending)
        if len(stem) < _LEAST:
            continue
        yield stem + put
        yield from EASIER.get(stem + put, ())
        if not put and stem[-1] == stem[-2]:  # running, stopped
            yield stem[:-1]
