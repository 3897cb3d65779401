"""What a measure says, in words; with its value and that of a typical sound picture."""

from __future__ import annotations

import math

from hndoctor.calibration.logistic import Reason

SAYINGS: dict[str, str] = {
    "broad_gradient_kurtosis": "its composition is Gaussian, as noise is (kurtosis of large blocks",
    "gradient_kurtosis": "its differences are Gaussian, as noise is (kurtosis",
    "fine_gradient_kurtosis": "its finest differences are Gaussian, as noise is (kurtosis",
    "detail_skewness": "its details are as often lighter as darker than what is around them (skewness",
    "calm_tile_rms": "there is no calm corner (contrast of the calmest tiles",
    "calm_tile_chroma": "no corner is free of coloured spots (colour contrast of the calmest tiles",
    "tile_rms_variation": "it is equally busy everywhere (variation over tiles",
    "tile_chroma_variation": "it is equally colourful everywhere (variation over tiles",
    "tile_colour_dimensions": "colours vary independently within tiles (dimensions",
    "joint_entropy": "it has unusually many colours (joint entropy, bits",
    "local_colour_entropy": "even its calmest tiles have many colours (entropy, bits",
    "local_grey_entropy": "its tiles have many shades (entropy, bits",
    "lossless_size": "it can hardly be compressed (share of its size",
    "spectral_flatness": "its spectrum is flat at the latent grid (flatness",
    "spectral_entropy": "its energy lies in all waves (spectral entropy",
    "spectral_slope": "its spectrum falls off unlike a picture's (slope",
    "coarse_energy": "it has few large forms (share of energy",
    "cell_energy": "its energy lies at the latent grid (share",
    "high_frequency_ratio": "its share of fine waves is unlike a picture's (share",
    "long_lag_autocorrelation": "it has no composition (autocorrelation over an eighth of the frame",
    "coherence": "its edges run unlike a picture's (coherence",
    "channel_correlation": "its colour channels go their own ways (correlation",
    "chroma_ratio": "its colours vary more than its light (ratio",
    "broad_colour_alignment": "its colours do not share one composition (alignment of large blocks",
    "colour_alignment": "its colours do not share their outlines (alignment",
    "fine_colour_alignment": "its colours do not share their finest outlines (alignment",
    "colourfulness": "it is unusually colourful (M3",
    "hue_entropy": "it has all hues (entropy",
    "saturation": "it is unusually saturated (chroma",
}
RISEN: dict[str, str] = {  # what frying moves: rises over the picture before, of a share or as ln of a ratio
    "colour": "its colours burn",
    "clipped": "{value:.0%} more of it is clipped",
    "halo": "its edges overshoot by {value:.0%} of their height more",
    "contrast": "its contrast is {ratio:.1f} times as strong",
}

#: The same where the measure went the other way: noise of large cells in a small picture has few fine waves.
TURNED: dict[str, str] = {
    "spectral_flatness": "its spectrum is steeper than a picture's (flatness",
    "spectral_entropy": "its energy lies in few waves (spectral entropy",
    "coarse_energy": "it has nothing but large forms (share of energy",
    "cell_energy": "it lacks waves of a few values (share",
}
FALLS = {"coarse_energy"}  # of `TURNED`: what `SAYINGS` says of it is said where it fell


def told(reason: Reason) -> str:
    """One reason as prose: ``… (kurtosis 3.0, in pictures 11)``."""
    if reason.measure in RISEN:
        return RISEN[reason.measure].format(value=reason.value, ratio=math.exp(reason.value))
    words = SAYINGS.get(reason.measure, f"{reason.measure.replace('_', ' ')} (")
    if (reason.value < reason.typical) != (reason.measure in FALLS):
        words = TURNED.get(reason.measure, words)
    return f"{words} {reason.value:.2g}, in pictures {reason.typical:.2g})"
