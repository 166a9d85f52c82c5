"""Comments as the sentiment model reads them: one spelling for what means the same.

People write "ㅋㅋㅋㅋㅋ", "좋아아아아" and "!!!!!!" at any length, and say with a picture what the
training data says with letters. The same steps run in training and at run time.
"""

import re
import unicodedata
from typing import Final

LONGEST: Final = 1000
"""Characters that are read of one comment, from its beginning; feelings show early."""

_LINKS: Final = re.compile(r"https?://\S+|www\.\S+")
_MENTIONS: Final = re.compile(r"(?<!\w)@[\w.]+")
_RUNS: Final = re.compile(r"([^\W\d]|[^\w\s])\1{2,}")
_SPACES: Final = re.compile(r"\s+")
# Variation selectors, joiners and skin tones: the same face, written with other code points.
_DRESSING: Final = re.compile("[\ufe00-\ufe0f\u200b-\u200d\u2060\U0001f3fb-\U0001f3ff]")
# Reviews of films, the bulk of the training data, were written with letters instead of pictures.
_PICTURES: Final = {
    " ㅋㅋ ": "😂🤣😆😹😅",
    " ㅎㅎ ": "😀😁😃😄😊🙂😉☺😸",
    " ㅠㅠ ": "😭😢😥😿🥲",
    " ♥♥ ": "❤💕💖💗💘💙💚💛💜🖤🤍🧡🤎💓💞💝😍🥰😘😻",
    " 최고 ": "👍💯🏆🥇🙌👏🔥🎉✨🤩",
    " 짜증 ": "😡😠🤬💢😤",
    " 역겹다 ": "🤮🤢💩",
    " 별로 ": "👎🙄😒😑",
    " 실망 ": "😞😔😩😫☹🙁😟💔",
}
_WORDS: Final = str.maketrans({sign: word for word, signs in _PICTURES.items() for sign in signs})


def normalize(text: str) -> str:
    """Give ``text`` in NFC and lower case, without links, mentions and needless repetition.

    Three or more of one letter or sign become two; digits stay. Emoji with a plain feeling become
    the word or letters that Korean comments use for it. May be empty. Idempotent.
    """
    text = unicodedata.normalize("NFC", text[:LONGEST]).lower()
    text = _MENTIONS.sub(" ", _LINKS.sub(" ", text))
    text = _DRESSING.sub("", text).translate(_WORDS)
    return _SPACES.sub(" ", _RUNS.sub(r"\1\1", text)).strip()
