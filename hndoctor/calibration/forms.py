"""How each measure enters a logistic: the range in which it was seen, so that nothing is extrapolated."""

from __future__ import annotations

from hndoctor.calibration.logistic import Form

_KURTOSIS = Form(1.0, 60.0, about=3.0)  # from a normal distribution's: an even ramp's 2 is no more like noise than 4.5
_SHARE = Form(0.0, 1.0)

FORMS: dict[str, Form] = {
    "broad_gradient_kurtosis": _KURTOSIS,
    "gradient_kurtosis": _KURTOSIS,
    "fine_gradient_kurtosis": _KURTOSIS,
    "edge_kurtosis": _KURTOSIS,
    "detail_skewness": Form(0.0, 9.0, 0.05),
    "calm_tile_rms": Form(0.0, 0.6, 0.01),
    "calm_tile_chroma": Form(0.0, 0.6, 0.01),
    "tile_rms_variation": Form(0.0, 3.0, 0.05),
    "tile_chroma_variation": Form(0.0, 3.0, 0.05),
    "tile_colour_dimensions": Form(1.0, 3.0, -0.98),
    "grey_entropy": Form(0.0, 8.0),
    "joint_entropy": Form(0.0, 14.0),
    "local_colour_entropy": Form(0.0, 8.0),
    "local_grey_entropy": Form(0.0, 5.0),
    "lossless_size": Form(0.6, 1.0),  # what is flat compresses far better as PNG than as JPEG: that is no difference
    "spectral_flatness": Form(0.0, 1.0, 0.01),
    "spectral_entropy": _SHARE,
    "spectral_slope": Form(-8.0, 2.0),
    "coarse_energy": _SHARE,
    "cell_energy": Form(0.0, 1.0, 0.01),
    "high_frequency_ratio": Form(0.0, 1.0, 0.01),
    "long_lag_autocorrelation": Form(-0.2, 1.0),
    "coherence": _SHARE,
    "channel_correlation": Form(-0.5, 1.0),
    "chroma_ratio": Form(0.0, 20.0, 0.01),
    "broad_colour_alignment": _SHARE,
    "colour_alignment": _SHARE,
    "fine_colour_alignment": _SHARE,
    "colourfulness": Form(0.0, 190.0, 2.0),
    "hue_entropy": _SHARE,
    "saturation": Form(0.0, 1.0, 0.02),
    "clipping": Form(0.0, 1.0, 0.02),
    "saturated_clipping": Form(0.0, 1.0, 0.002),
    "contrast": Form(0.0, 0.6, 0.005),
    "brightness": _SHARE,
    "flat_area": _SHARE,
    "repetition": Form(0.0, 1.0),
    "edge_overshoot": Form(0.0, 2.0),
    "immerkaer_sigma": Form(0.0, 60.0, 0.2),
    "haar_mad_sigma": Form(0.0, 90.0, 0.2),
}
