"""Word lists of the caption rules."""

from __future__ import annotations

import re

_ORDINARY_TEXT = """
anime animal art artist baby bag beach beauty best bird black blue boat body book boy bright brown building cake
cape car cartoon cat chair character child city clothes cloud color comic cute dance dark day design dog doll door
dragon drawing dream dress earth elf eye eyes face fairy family fantasy fire fish flower food forest fox friend
fun game garden gift girl glass gold good gothic green grey hair hand happy hat head heart hero high home horse
house ice image island jewel king knight lady lake landscape leaf light line lion love magic maid man manga map
mask master masterpiece model moon mother mountain movie music nature neon new night nude ocean oil old orange
painting paper park people person photo picture pink plant poster power princess purple quality queen rain red
retro ring river road robot room rose sad school sea shadow ship shoe silver simple sketch sky small snow song
space spring star steel stone street style summer sun sunset sword table tattoo test tiger tree vintage wall war
water watercolor wedding white wind window winter witch wolf woman wood world yellow young
"""

_TWINS_TEXT = """
shirt skirt boots books brown crown drown black block blank white while green greed grass glass crass class
light night right sight fight tight might eight hands bands lands sands bangs fangs pants plants paints points
horse house mouse short shore sport spots shots shoes shows stars scars chair choir heart heard beard board
flower slower lower tower towel power sitting fitting hitting standing stranding looking booking cooking
river fiver liver dress cross smile smiley street sheet sheep sleep steep stairs chairs cloud clouds clothed
clothes closed parted parked floating flying crying trying striped stripes strapped strap straps belts bells
train trail brain grain stone store shade share shape shave large barge stage staged cheek check chest crest
lines lions bikes bites leaves leaver wings rings kings braid braids broad bread breast blonde blond
single simple tingle dark park bark mountain fountain painted pointed potted dotted spotted
"""

ORDINARY = frozenset(_ORDINARY_TEXT.split())
"""Words that already mean something to any text encoder; for where no real vocabulary is at hand (G6)."""

TWINS = frozenset(_TWINS_TEXT.split())
"""Words of captions that are one letter from another and both right: no misspellings."""

ARTIST = re.compile(r"^(art )?by .|artist|\bstyle\b", re.IGNORECASE)
"""What a tag that names an artist or a style looks like."""
