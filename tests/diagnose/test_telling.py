"""The verdict and its sentence, from courses made by hand."""

from dataclasses import replace

import pytest

from hndoctor.diagnose import diagnose
from hndoctor.diagnose.channels import Seen
from hndoctor.diagnose.course import Judged
from hndoctor.diagnose.hazard import prior_of
from hndoctor.diagnose.words import in_words, last_good, missing_evidence, refused, skipped_of, summary_of, verdict_of
from hndoctor.records import Refusal, Severity, Skipped, State, Verdict, Vitals
from tests.makers import STEPS, a_checkpoint, a_preview, a_run, an_optimizer, losses, unreadable, validation
from tests.prescribe.makers import a_finding
from tests.prescribe.makers import judged as by_hand

RUN = a_run()
WARNING, INFO = Severity.WARNING, Severity.INFO


def course(states, vitals=RUN, spoke=True):
    stations = by_hand(vitals, states).course
    seen = Seen({"weights": (0.0,) * 5}) if spoke else Seen({})
    return Judged((), stations, (seen,) * len(stations), prior_of(vitals))


def told(states, *findings, vitals=RUN, spoke=True):
    judged = course(states, vitals, spoke)
    verdict = verdict_of(judged, vitals, findings)
    return verdict, summary_of(verdict, judged, vitals, findings)


def ending(state, sound=State.HEALTHY, p=None):
    return dict.fromkeys(STEPS, sound) | {STEPS[-1]: p or state}


# --- the verdict ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        (State.STARTING, Verdict.HEALTHY),
        (State.HEALTHY, Verdict.HEALTHY),
        (State.OVERTRAINED, Verdict.AILING),
        (State.BROKEN, Verdict.BROKEN),
    ],
)
def test_the_verdict_is_that_of_the_last_state(state, verdict):
    assert told(ending(state))[0] is verdict
    assert told(ending(state) | {6500: State.UNREADABLE})[0] is verdict


def test_an_error_or_a_file_that_cannot_be_read_is_an_ailment_but_a_warning_is_none():
    sound = ending(State.HEALTHY)
    assert told(sound, a_finding("HN102", severity=WARNING))[0] is Verdict.HEALTHY
    assert told(sound, a_finding("HN102", severity=WARNING), a_finding("HN104"))[0] is Verdict.AILING
    assert told(sound, vitals=replace(RUN, unreadable=(unreadable(6500),)))[0] is Verdict.AILING
    writing = replace(RUN, unreadable=(unreadable(6500, Refusal.WRITING),))
    assert (told(sound, vitals=writing)[0], refused(writing)) == (Verdict.HEALTHY, ())
    assert told(ending(State.BROKEN), a_finding("HN104"))[0] is Verdict.BROKEN


def test_a_prior_alone_is_no_examination():
    assert told(ending(State.HEALTHY), spoke=False)[0] is Verdict.UNEXAMINED
    assert told({500: State.UNREADABLE})[0] is Verdict.UNEXAMINED
    one_of_many = replace(course(ending(State.HEALTHY)), seen=(Seen({}), Seen({"losses": (0.0,) * 5})))
    assert verdict_of(one_of_many, RUN, ()) is Verdict.HEALTHY


# --- its sentence -----------------------------------------------------------------------------------------------------


def test_sound_runs():
    row = (0.2, 0.7, 0.06, 0.04)
    assert told(ending(None, p=row))[1] == "Healthy at step 6,000 (90% sure)."
    row = (0.7, 0.2, 0.06, 0.04)
    assert told(ending(None, p=row))[1] == "Hardly trained yet, and nothing wrong at step 6,000 (90% sure)."


def test_reservations_are_the_files_and_the_errors_two_at_most():
    sound = ending(None, p=(0.2, 0.7, 0.06, 0.04))
    errors = [a_finding("HN101", message="the first"), a_finding("HN104", message="the second at step 500")]
    errors += [a_finding("HN104", message="the second at step 1,000"), a_finding("HN114", message="the third")]
    hint = a_finding("HN103", message="a hint", severity=WARNING)
    assert told(sound, hint, *errors)[1] == "Healthy at step 6,000 (90% sure), but the first; the second."
    one, two = (replace(RUN, unreadable=tuple(map(unreadable, steps))) for steps in ((6500,), (6500, 7000)))
    assert told(sound, *errors, vitals=one)[1].endswith(", but 1 file could not be read; the first.")
    assert told(sound, vitals=two)[1].endswith(", but 2 files could not be read.")
    young = ending(None, p=(0.7, 0.2, 0.06, 0.04))
    assert told(young, *errors)[1] == "Hardly trained yet at step 6,000 (90% sure), but the first; the second."


def test_overtrained_runs():
    states = ending(None, p=(0.1, 0.2, 0.66, 0.04)) | {5500: State.OVERTRAINED}
    assert told(states)[1] == "Overtrained since about step 5,500 (66% sure): dose alone."
    rises = a_finding("HN205", message="held-out loss rises", severity=WARNING)
    assert told(states, rises)[1] == "Overtrained since about step 5,500 (66% sure): held-out loss rises."


def test_broken_runs():
    states = dict.fromkeys(STEPS, State.HEALTHY) | {5500: State.BROKEN, 6000: (0.0, 0.02, 0.0, 0.98)}
    assert told(states)[1] == (
        "Broken since step 5,500 (98% sure), by all signs together; step 5,000 was the last that looked sound."
    )
    worn = dict.fromkeys(STEPS, State.OVERTRAINED) | {6000: State.BROKEN}
    assert told(worn)[1] == "Broken since step 6,000 (94% sure), by all signs together."
    dead = dict.fromkeys(STEPS, State.BROKEN)
    assert told(dead)[1] == "Dead from the start: broken at step 500 (94% sure), by all signs together."


def test_the_two_gravest_rules_are_the_reason_each_once():
    def found(code, confidence, message, severity=Severity.ERROR):
        return a_finding(code, confidence=confidence, message=message, severity=severity)

    findings = [
        found("HN402", 1.0, "the course itself"),
        found("HN103", 0.99, "a warning", WARNING),
        found("HN405", 1.0, "of the course"),
        found("HN107", 1.0, "a note", INFO),
        found("HN301", 0.9, "noise"),
        found("HN102", 0.7, "less sure"),
        found("HN102", 0.95, "gain"),
        found("HN202", 0.8, "third"),
    ]
    assert "94% sure), gain; noise; step" in told(ending(State.BROKEN), *findings)[1]
    assert "94% sure), gain; noise; step" in told(ending(State.BROKEN), *reversed(findings))[1]
    warning = [found("HN103", 0.99, "a warning", WARNING), found("HN102", 0.5, "an error")]
    assert "an error; a warning" in told(ending(State.BROKEN), *warning)[1]


def test_how_previews_were_made_is_no_reason():
    made = a_finding("HN309", confidence=1.0, message="26 previews have a negative prompt", severity=WARNING)
    assert "by all signs together" in told(ending(State.BROKEN), made)[1]


def test_a_preview_that_later_ones_are_unlike_is_told_with_its_step():
    """Of each rule the latest step; what the last previews show needs none."""
    noise = [a_finding("HN301", step=step, message="the preview is noise") for step in (500, 1000)]
    assert told(ending(State.HEALTHY), *noise)[1].endswith(", but at step 1,000 the preview is noise.")
    last = a_finding("HN301", step=6000, message="the preview is noise")
    assert told(ending(State.HEALTHY), last)[1].endswith(", but the preview is noise.")


def test_the_last_good_one_has_a_file_and_lies_before():
    vitals = a_run(steps=(500, 1000, 2000))
    states = {500: State.STARTING, 1000: State.HEALTHY, 1500: State.HEALTHY, 2000: State.HEALTHY}
    stations = by_hand(vitals, states).course
    assert last_good(stations, 2001).step == 2000
    assert last_good(stations, 2000).step == 1000, "1,500 has no file"
    assert last_good(stations, 1000).step == 500
    assert last_good(stations, 500) is None
    worn = by_hand(vitals, {500: State.HEALTHY, 1000: State.OVERTRAINED, 2000: State.BROKEN}).course
    assert last_good(worn, 2001).step == 500


@pytest.mark.parametrize(
    ("vitals", "wanted"),
    [
        (
            Vitals("r", "x", unreadable=(unreadable(500), unreadable(900))),
            "Nothing could be examined: hypernetworks/x-500.pt: it ends in the middle of a tensor.",
        ),
        (
            Vitals("r", "x", checkpoints=(a_checkpoint(500), a_checkpoint(900, partial="a LoRA"))),
            "No hypernetwork to judge: hypernetworks/x-900.pt is a LoRA.",
        ),
        (Vitals("r", "x"), "Nothing could be examined: no checkpoint, preview or loss log of this run can be read."),
    ],
)
def test_what_could_not_be_examined_is_named(vitals, wanted):
    assert told({}, vitals=vitals) == (Verdict.UNEXAMINED, wanted)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("it grew from step 500 to the end (12 checkpoints), and on", "it grew, and on"),
        ("it is odd at step 12,500", "it is odd"),
        ("noise (about 99 %, 98 to 100 %)", "noise"),
        ("noise (99 %, 98 to 100 %): it is", "noise"),
        ("up (3 %) of it", "up (3 %) of it"),
        ("the gain, the largest gain 2.77e+03", "the gain"),
    ],
)
def test_what_belongs_to_the_finding_is_left_out_of_the_headline(message, said):
    assert in_words(message) == said


# --- what was not examined --------------------------------------------------------------------------------------------

WHOLE = a_run(
    checkpoints=(a_checkpoint(500), a_checkpoint(1000, optimizer=an_optimizer())), validation=validation({500: 0.1})
)


def test_what_is_there_is_not_missing():
    assert set(missing_evidence(WHOLE)) == {"setup"}


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        (
            {"checkpoints": ()},
            {
                "checkpoints": "no checkpoints in this run",
                "files": "no checkpoints in this run",
                "optimizers": "no .optim file beside any checkpoint",
            },
        ),
        (
            {"checkpoints": (), "unreadable": (unreadable(500), unreadable(900))},
            {"checkpoints": "none of 2 could be read", "optimizers": "no .optim file beside any checkpoint"},
        ),
        ({"checkpoints": (a_checkpoint(500),)}, {"optimizers": "no .optim file beside any checkpoint"}),
        ({"previews": ()}, {"previews": "no images in this run"}),
        ({"previews": (replace(a_preview(500), unreadable="cut"),)}, {"previews": "no preview could be read"}),
        ({"previews": (replace(a_preview(500), unreadable="cut"), a_preview(900))}, {}),
        ({"losses": ()}, {"losses": "no loss log in this run"}),
        (
            {"validation": ()},
            {"validation": "no validation in this run; hndoctor validate measures it, on pictures not trained on"},
        ),
    ],
)
def test_what_is_missing_is_said_with_the_reason(changes, wanted):
    found = missing_evidence(replace(WHOLE, **changes))
    assert found.pop("setup").startswith("the training data was not given")
    assert found == wanted


def test_everything_that_was_not_examined_is_told_once():
    vitals = replace(
        WHOLE,
        checkpoints=(a_checkpoint(500), a_checkpoint(900, partial="a LoRA")),
        previews=(a_preview(500), replace(a_preview(900), unreadable="cut")),
        skipped=(Skipped("a.txt", "a text"), Skipped("losses", "none")),
    )
    lacking = (Skipped("losses", "none"), Skipped("setup", "not given"))
    assert [one.what for one in skipped_of(vitals, lacking)] == [
        "losses",
        "setup",
        "a.txt",
        "hypernetworks/x-900.pt",
        "images/x-900.png",
    ]


def test_in_a_diagnosis_what_is_missing_stands_in_a_fixed_order_and_each_rule_gets_its_own_evidence():
    nothing = diagnose(Vitals("r", "x", losses=losses(range(10, 2000, 10)), settings=RUN.settings))
    assert [one.what for one in nothing.not_examined] == [
        "checkpoints",
        "files",
        "optimizers",
        "previews",
        "validation",
        "setup",
    ]
    unsteady = diagnose(Vitals("r", "x"))
    assert ("course", "nothing of this run has a step") in [(one.what, one.why) for one in unsteady.not_examined]
    assert "course" not in [one.what for one in diagnose(RUN).not_examined]
