"""What the diagnosis believes before it looks, and what each sign weighs.  One file, every number with its source.

Weights of signs are natural logarithms of likelihood ratios, given as (value, weight) and interpolated between: +3
makes a state twenty times likelier.  "guess" means untested; the lab is to replace it.
"""

from __future__ import annotations

Curve = tuple[tuple[float, float], ...]

# --- the clock: when things happen, in dose (sum of rate × sqrt(batch)) -----------------------------------------------

ONSET_MEDIAN = 0.075  # of overtraining on SD1 with 50 pictures: middle of the guide's 9k-25k steps at 5e-6 (G21)
ONSET_SPREAD = 0.4  # of its logarithm: puts 80 % inside the guide's band (science.md §B.5)
ONSET_PICTURES = 50  # pictures at which the median holds (science.md §B.5)
ONSET_POWER = 0.5  # median grows with the number of pictures to this power (science.md §0.5: n^0.55)
# times the guide's band carried by width and pictures.  On the pocket model the onset lies at the carried middle where
# there is as little to gain as on SD1 (lab, tuning half: familiar-07 at 1.1 times), far beyond it where there is much:
# seven runs in unknown styles passed 1.7 to 22 times the middle and were not overtrained, memorised-03 ends so at 22
ONSET_TIMES = {"sd1": 1.0, "sd2": 1.0, "pocket": 6.0, "unknown": 1.0}
# chance that overtraining begins while held-out pictures are measured, spread evenly over their measurements: they tell
# more than any clock.  Lab, tuning half: of 46 runs that did not break 11 are overtrained; .4 has a better log score
# than .3 (with 12 draws of few and of 16 other pictures, and with truth and diagnosis told by pictures of their own),
# .5 takes precision
ONSET_SEEN = 0.4
LEARNT_SEEN = 0.5  # the same of showing an effect, at each measurement; .5 to .9 give the same in the lab
ONSET_ASTRAY = 0.15  # share of runs to which none of this applies (science.md §B.5) ...
ONSET_ASTRAY_RANGE = (1e-3, 3.0)  # ... whose onset is log-uniform between these doses (science.md §B.5)
SPREAD_PICTURES_UNKNOWN = 0.6  # instead of ONSET_SPREAD (science.md §B.5)
SPREAD_FAST = 1.0  # at rates above 5e-5, or another optimizer than Adam (science.md §B.5)
SPREAD_OTHER_BASE = {"sd1": 0.0, "sd2": 0.6, "pocket": 2.0, "unknown": 1.5}  # at least; the pocket's: lab, as above
FAST_RATE = 5e-5  # SD1's (science.md §B.5)
CEILING = {"sd1": 1.0, "sd2": 0.6, "pocket": 0.35, "unknown": 0.35}  # most that dose alone may say; guess
CEILING_RATE_UNKNOWN = 0.35  # the same where no file tells the rate, of breakage too; guess

LEARNT_MEDIAN = 0.006  # dose by which a network shows an effect: 1,200 steps at 5e-6; guess from G19 (5k usable)
LEARNT_SPREAD = 0.8  # guess

# Hazard of breakage per step at the base model's usual rate and at its ruinous one, in the mean of runs (hazard.py);
# between them it is a power of the rate.  SD1: 5 % over 20,000 steps, half within 25 and 95 % within 500 (guess from
# G19-G21).  The pocket model: the best of six by log score (lab/fit) together with fewest false alarms of weights and
# of losses alone; little depends on it
BREAK_USUAL = {"sd1": 2.5e-6, "sd2": 2.5e-6, "pocket": 1e-4, "unknown": 2.5e-6}
BREAK_RUINOUS = {"sd1": 0.04, "sd2": 0.04, "pocket": 0.01, "unknown": 0.04}
BREAK_RATE_UNKNOWN = 8.0  # times that of the usual rate where no file tells it: it may be the web UI's 5e-3; guess
BREAK_OVERTRAINED = 2.0  # times that when overtrained: it "starts to kill the network" (G21); guess
DEAD_AT_START = {"Normal": 0.002, "other": 0.3}  # by initialisation, without layer norm (G18); guess
# The most that the prior alone may say of a breakage between two stops: a rate can be told wrongly; guess
BREAK_MOST = 0.999
# Chance in a whole run that a broken network is sound again although nobody went back, alike at each stop: lab, tuning
# half, 3 of 26 (guided-01, memorised-03, worn-04); and where an optimizer's own steps grow smaller (RMSprop, Adagrad)
RECOVERY_ALONE = 0.12
RECOVERY = 0.5  # chance that going back and lowering the rate mends it, at a resumption only; guess

# --- what is seen -----------------------------------------------------------------------------------------------------

CERTAIN = 30.0  # weights that are not finite: nothing outweighs it

# gain ‖h(x)‖/‖x‖, largest module -> broken.  Random weights of a gain of 2 lose the caption, of 8 make colourful noise
# (science.md §E), but what is learned may reach far more.  Lab, tuning half: of 200 broken stops none lies below 2, 10
# from 2 to 6, 36 from 6 to 9, all others above; of 425 sound ones 101 from 2 to 6, 61 from 6 to 9 and none above.  So
# between 2 and 9 gain alone decides little.  Heights: the best of six by log score from weights, previews and losses,
# which speak against breakage below 6 half as much as these counts do: on SD1 nobody has counted
GAIN: Curve = (
    (0.2, -4.0),
    (0.5, -3.0),
    (1.0, -1.5),
    (2.0, -0.5),
    (6.0, 0.0),
    (9.0, 1.5),
    (16.0, 5.0),
    (32.0, 14.0),
)
# the same where the weights are as good as random (rules/alignment): the pocket model under 32 random networks of gains
# from .6 to 8.9 (benchmarks/lab/chance): sound to .9, worse but not broken at 1.5 to 1.8, broken from 2.5 on
GAIN_BY_CHANCE: Curve = ((0.2, -4.0), (0.5, -3.0), (1.0, -1.5), (1.8, 0.5), (2.5, 5.0), (8.0, 12.0))
# science.md §E.  Lab, tuning half: of 611 checkpoints 224 have a gain of at most .5 and none of them is broken; the
# least of a broken one is 2.2 (slow-05)
GAIN_CERTAIN, GAIN_LIKELY, GAIN_HARMLESS = 8.0, 2.0, 0.5
# A key's gain says only how sharply attention chooses among values: beyond this more of it changes nothing.  Lab,
# tuning half: by-heart-07 and -13 follow captions and keep their benefit while one key's gain goes from 31 to 1,550 and
# from 19 to 310, all values' staying below 7; in other sound runs keys reach 17
GAIN_KEY = 16.0
GAIN_UNKNOWN = -0.5  # finite weights whose gain cannot be computed say little; guess
GAIN_ALONE = 0.5  # a single module counts as if all had this share of its gain, or the mean with the median; guess
RMS_EXPLODED, RMS_WEIGHT = 1.0, 6.0  # RMS of a module: 100 times the web UI's Normal initialisation; guess
GROWTH, GROWTH_WEIGHT = 3.0, 1.5  # gain times this within one interval, when above harmless (science.md §C.4); guess
DEAD_UNITS, DEAD_WEIGHT = 0.99, 2.0  # share of hidden units that never fire in all modules; guess

NOISE_SEEN, NOISE_FALSE = 0.95, 0.02  # P(noise is called | broken into noise), P(... | not): science.md §A.4, 1 % FPR
# what a picture of one colour counts as: even odds where the weights are finite (then it is the VAE); guess
BLANK, BLANK_EXPLAINED = 0.9, 0.5
# Correlation of light and dark with the same prompt and seed before training -> share of a clean picture's weight that
# is left, and weight for breakage.  Lab, tuning half: of 348 clean previews of sound stops one in thirty lies below .1
# and one in ten below .4, of 67 of broken stops 38 in a hundred and two thirds.  The heights are half of what that
# gives: an object, unlike a style, changes compositions, on SD1 perhaps more than here
LAYOUT_KEPT: Curve = ((0.1, 0.0), (0.5, 1.0))
LAYOUT_LOST: Curve = ((0.1, 1.2), (0.3, 0.0))
PREVIEW_CORRELATION = 0.5  # of previews of one step; two agreeing prompts nearly settle it (science.md §B.5); guess
LAG = 0.5  # share of a clean preview's weight just after breakage: previews lag the weights (G29)
# all clean previews of a run together -> overtrained; little, as overtraining stays clean for long (science.md §0.3)
CLEAN_OVERTRAINED = -0.7

# mean loss -> broken (G30: over 0.3 it may be); guess
LOSS: Curve = ((0.1, -2.5), (0.15, -1.5), (0.2, 0.0), (0.3, 1.2), (0.5, 3.0), (1.0, 5.0))
# ln of the typical loss over the lowest before, where it rose more than noise explains (HN203) -> broken.  Lab, tuning
# half: 9 of 21 broken runs show such a rise (.69 to 4.0), of the 42 others none.  Height: guess
LOSS_RISEN: Curve = ((0.7, 0.0), (1.4, 8.0))
LOSS_FULL = 16  # points at which a mean has its full weight; guess
LOSS_NONFINITE_LAST, LOSS_NONFINITE = 6.0, 2.0  # lasting NaN; NaN somewhere; guess
LOSS_FINITE_YET = -2.0  # a finite loss where it becomes NaN for good later: that day had not come; guess

# What is called overtraining at all: a held-out loss above its best by a tenth of the benefit and by .2 %, of which
# training items share less than half.  It is the lab's rule (benchmarks/lab/README.md), fixed before any diagnosis
OVER_SHARE, OVER_LEAST, OVER_ALONG = 0.1, 0.002, 0.5
# Bounds of the half-normal scale of the rise once overtrained, between them as large as the benefit there was to lose:
# 2-4 % per optimal dose where 1-2 % had been gained (science.md §B.1) ...
RISE_SCALE = (0.005, 0.04)
RISE_SHARE = 0.2  # ... and at least this share of the benefit, which is 60 % of the loss on the pocket model (lab)
# The same scale while sound, as a share of the benefit: overtraining is a tenth of it lost (benchmarks/lab), and three
# held-out pictures ripple.  Lab, tuning half: by-heart-01 seems to lose 7 % by its own validation, 2 % by the oracle's.
RISE_SOUND = 0.03
RISE_CAP = 3.0  # most that one validation may weigh (science.md §B.5)
# times the standard error of the pairs, which takes the draws of one picture for independent: what a few pictures tell
# of all.  Lab, tuning half: changes by the user's three or four pictures against those by the oracle's up to 48 lie 1.3
# (against the base model) to 1.5 (between checkpoints) such errors apart (RMS); 1.2 and 1.4 give the same runs
ERROR_TIMES = 1.3
# share of the benefit lost, training items sharing the rise -> broken.  Full from a rise of LOST_RISE on: on SD1, where
# 1 % is gained, a ripple of the rate loses all of it; not counted within so many standard errors.  Lab, tuning half:
# sudden-02 loses 92 % on both within three steps of a ruinous rate, gain and previews still as before.  Heights: guess
LOST: Curve = ((0.1, 0.0), (0.3, 1.0), (0.6, 2.5), (1.0, 3.5))
LOST_RISE, LOST_ERRORS = 0.1, 2.0
# Share of what training items gained (as ln of their loss) that held-out items did not -> overtrained; counted from
# GAP_LEARNT on.  On SD1 it is about .7 at the best and 1 where all benefit is gone (science.md §B.1: 1.5 % of .05, and
# none of .13); in the lab's tuning half sound checkpoints have up to .46 (memorised-03)
GAP: Curve = ((0.7, 0.0), (0.9, 0.7), (1.0, 1.5), (1.2, 2.5))
GAP_LEARNT = 0.03
# ln(held out / bare base), or of training items where that is less -> broken.  Lab, tuning half, sound : broken stops:
# 154 : 2 below -.8, 126 : 23 to -.4, 36 : 73 to -.1, 88 : 19 to 0, 11 : 16 to .2, 0 : 109 above.  So a loss is little
# proof of captions, unless very low.  That losses of -.4 to -.1 speak for breakage in the lab, whose sound networks
# mostly gain more, was not taken over: others gain less.  Best of four by log score, with all channels and without each
HARM_BROKEN: Curve = (
    (-0.8, -3.0),
    (-0.4, -1.3),
    (-0.1, -1.2),
    (0.0, -0.2),
    (0.05, 0.5),
    (0.2, 1.5),
    (0.5, 4.0),
    (1.0, 7.0),
)
# From this harm on training pictures too, a later loss below the bare base model's no longer speaks against breakage:
# what comes back first is the style's colours.  Lab, tuning half: guided-01 is worse by 10 % at 100 steps, 20 % better
# at 200, and its captions are lost at both
HARM_SPOILS = 0.05
# the same from this sign of a lost benefit on.  Lab, tuning half: memorised-03 loses 45 % of it at 1,250 steps, and its
# captions with it, and has most of its loss back at 2,500; sound runs lose up to 11 %, which is no sign.
# A caption gap that is lost does so where its own sign is as large
LOST_SPOILS = 1.0
# share of that weight where training items are not told: of 22 public curves one rises by half and is no breakage
HARM_UNSHARED = 0.5
HARM_OVERTRAINED: Curve = (
    (0.0, 0.0),
    (0.05, 1.0),
    (0.2, 2.5),
)  # the same -> overtrained: benefit gone (science.md §0.4)
IMPROVED_STARTING: Curve = ((1.0, 0.4), (3.0, -1.5), (6.0, -4.0))  # improvement in standard errors -> still starting

# share of the caption gap that is left -> broken.  Lab, tuning half, where the gap was sure by two errors: broken are
# all of 100 checkpoints with less than .3 of it, 11 of 19 from .3 to .5, 7 of 13 to .6, 2 of 13 to .7, 0 of 331 above
CAPTIONS: Curve = ((0.1, 5.0), (0.3, 4.0), (0.4, 2.5), (0.5, 1.0), (0.65, -0.2), (0.8, -2.5), (1.0, -3.5))
# standard errors by which the gap must have been above nothing for that to count: not at all, and in full
CAPTIONS_SURE = 1.0, 3.0
# Where it never was: a network that lost captions from the start.  Standard errors by which there is a gap now ->
# broken, from a held-out loss (as ln of its share of the bare base model's) on that only a network reaches which has
# learned much: all those that follow captions show one by then.  Lab, tuning half, of a gap that was not sure by two
# errors before: broken are 13 of 14 below 1.5, 6 of 15 to 3, none of 28 above; whatever it was before, 33 of 34, 15 of
# 31 and 18 of 284.  On SD1, where a network gains some per cent, this says nothing
CAPTIONS_LEARNT: Curve = ((0.1, 0.0), (0.2, 1.0))
CAPTIONS_SEEN: Curve = ((1.0, 4.0), (1.5, 3.0), (2.0, 1.5), (2.5, 0.5), (3.0, -0.5), (4.0, -1.5), (5.0, -2.0))

# --- what is not seen -------------------------------------------------------------------------------------------------

# Share of p(starting) + p(healthy) withheld for each channel that is missing at a step, and where it goes.  Guess: of
# breakages a third does not show in weights alone (sameness, science.md §E); overtraining shows in validation only.
UNSEEN = {"weights": 0.1, "previews": 0.1, "losses": 0.04, "validation": 0.04}
# Of the networks that break, the share whose breakage a channel does not show: weights miss sameness and slow
# death, a low loss is no proof of health, previews miss what their one prompt does not meet (science.md §E).  Guess.
BLIND = {"weights": 0.3, "previews": 0.15, "losses": 0.4}
UNSEEN_BROKEN = 0.6  # of what is withheld; the rest to overtrained
