"""The health report: one self-contained page a run, and an index page for a folder of runs.

Python prepares every number and place; the templates only lay them out.  Nothing is fetched: style and script are
inline and named by their hashes in a content security policy that allows nothing else, so that no text from a file can
ever act.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath

from markupsafe import Markup

from hndoctor import __version__
from hndoctor.records import Diagnosis, Verdict, Vitals
from hndoctor.render.axis import Axis, axis_of
from hndoctor.render.compare import Comparison, compare, sparkline
from hndoctor.render.course import Band, Course, bands_of, course_of
from hndoctor.render.digest import Digest, digest_of
from hndoctor.render.facts import findings_of, headline, treatment
from hndoctor.render.figures import clean, link, steps
from hndoctor.render.heat import Heat, heat_of
from hndoctor.render.lanes import Lane, lanes
from hndoctor.render.made import files_of, left_out, made_of
from hndoctor.render.strip import strip_of
from hndoctor.render.templates import Words, asset, environment
from hndoctor.rules._previews_relative import noise_seen
from hndoctor.rules.engine import Rule

_SPOKEN = ("heat.", "advice.cop", "dialog.", "course.", "strip.")  # the words that the script needs
_NEED = (Verdict.BROKEN, Verdict.UNEXAMINED, Verdict.AILING, Verdict.HEALTHY)


def render_html(
    diagnosis: Diagnosis, vitals: Vitals, rules: Sequence[Rule] = (), *, language: str = "en", beside: bool = True
) -> str:
    """One run's page.  `rules` supply the manual pages; `beside`: the page will lie in the run folder, so that it may
    link to the pictures there.  The same input gives the same bytes."""
    t = Words(language)
    course = course_of(diagnosis, vitals, t)
    noise = noise_seen(vitals)
    tracks = lanes(vitals, noise, course.axis, t) if course else ()
    heat = heat_of(vitals, t)
    return page(
        "report.html.j2",
        t,
        title=t("page.title", name=clean(diagnosis.name)),
        d=headline(diagnosis, vitals, t),
        advice=treatment(diagnosis, rules, t),
        course=course,
        lanes=[lane for lane in tracks if lane.empty is None],
        lacking=[lane for lane in tracks if lane.empty is not None],
        heat=heat,
        strip=strip_of(diagnosis, vitals, noise, t, beside),
        findings=findings_of(diagnosis, rules, t),
        not_examined=[(t.told(s.what), t.told(s.why)) for s in diagnosis.not_examined],
        made=made_of(vitals, t),
        files=files_of(vitals, t),
        files_left_out=left_out(vitals, t),
        prior=t.told(diagnosis.prior),
        data=_data(course, tracks, heat, t),
    )


def render_index(
    diagnoses: Sequence[Diagnosis],
    links: Mapping[str, str] | None = None,
    *,
    vitals: Iterable[Vitals | Digest] = (),
    language: str = "en",
) -> str:
    """The page of a folder of runs, most in need first, all courses on one axis.

    `links` maps a run's path to the address of its page, relative to the index; without it each page is looked for in
    the folder named like the run.  With `vitals`, or their digests, the runs are compared line by line below the
    list.
    """
    t = Words(language)
    where = links or {d.run: f"{PurePath(d.run.replace(chr(92), '/')).name}/health.html" for d in diagnoses}
    ordered = sorted(diagnoses, key=lambda d: (_NEED.index(d.verdict), d.run))
    measured = {v.run: v if isinstance(v, Digest) else digest_of(v) for v in vitals}
    axis = axis_of(s.step for d in diagnoses for s in d.course)
    rows = [_row(d, measured.get(d.run), where.get(d.run), axis, t) for d in ordered]
    summary = t("index.summary", n=len(rows), counts=_counts(ordered, t))
    both = compare(ordered, measured, t)
    title, data = t["index.title"], _compared(both, t)
    return page("index.html.j2", t, title=title, rows=rows, summary=summary, both=both, data=data)


def _counts(diagnoses: Sequence[Diagnosis], t: Words) -> str:
    """``Broken 3, Ailing 1``: how many of each verdict."""
    found = Counter(d.verdict for d in diagnoses)
    return t.listed(t("index.count", n=found[v], verdict=t[f"verdict.{v}"]) for v in _NEED if found[v])


def _row(diagnosis: Diagnosis, digest: Digest | None, where: str | None, axis: Axis, t: Words) -> dict[str, object]:
    advice = diagnosis.prescription
    best = steps(advice.step) if advice is not None and advice.step is not None else "–"
    bands: Iterable[Band] = bands_of(sorted(diagnosis.course, key=lambda s: s.step), axis, t)
    return {
        "name": clean(diagnosis.name),
        "run": clean(diagnosis.run),
        "link": None if where is None else link(where),
        "verdict": diagnosis.verdict.value,
        "word": t[f"verdict.{diagnosis.verdict}"],
        "summary": t.told(diagnosis.summary),
        "next": t.told(advice.sentence if advice else "–"),
        "best": best,
        "bands": bands,
        "spark": None if digest is None else sparkline(digest, axis, t),
        "last": steps(max((s.step for s in diagnosis.course), default=0)),
        "flag": axis.share(advice.step) if advice is not None and advice.step is not None else None,
    }


def page(template: str, t: Words, *more: str, **values: object) -> str:
    """A whole page from its template: its words, its policy, the common style and `more` sheets, and its own values."""
    style, script = "".join(map(asset, ("style.css", *more))), asset("script.js")
    return (
        environment()
        .get_template(template)
        .render(
            t=t,
            lang=t.language,
            version=__version__,
            style=Markup(style),  # our own files, nobody else's
            script=Markup(script),
            policy=policy(style, script),
            **values,
        )
    )


def policy(style: str, script: str) -> str:
    """Allow this very style, this very script and pictures inside the page; nothing else at all."""
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src {_hash(style)}",
            f"script-src {_hash(script)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _data(course: Course | None, tracks: Sequence[Lane], heat: Heat | None, t: Words) -> Markup:
    """What the script reads of a run."""
    told = _told(tracks, t)
    if course is not None:
        told["axis"] = [course.axis.first, course.axis.last]
        told["stops"] = [[s.step, s.state, s.word, s.shares] for s in course.stops]
    if heat is not None:
        told["heat"] = {
            "columns": heat.columns,
            "levels": [row.levels for row in heat.rows],
            "numbers": [row.numbers for row in heat.rows],
        }
    return _block(told)


def _compared(both: Comparison | None, t: Words) -> Markup:
    """What the script reads of an index."""
    if both is None:
        return _block(_told((), t))
    axis = [both.axis.first, both.axis.last]
    return _block({**_told(both.lanes, t), "axis": axis, "stops": [[step] for step in both.stops]})


def _told(tracks: Sequence[Lane], t: Words) -> dict[str, object]:
    lines = {lane.key: [[[p[0] for p in s.points], s.texts] for s in lane.series if s.label] for lane in tracks}
    return {"words": {k: v for k, v in t.items() if k.startswith(_SPOKEN)}, "lanes": lines}


def _block(told: Mapping[str, object]) -> Markup:
    """A data block that no text in it can close."""
    text = json.dumps(told, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
