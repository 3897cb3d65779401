"""METRICS: the table of all measures.  To add one, write the function and add its line here."""

from __future__ import annotations

from hndoctor.metrics.alignment import broad_colour_alignment, colour_alignment, fine_colour_alignment
from hndoctor.metrics.colour import (
    channel_correlation,
    chroma_ratio,
    clipping,
    colourfulness,
    hue_entropy,
    saturated_clipping,
    saturation,
)
from hndoctor.metrics.entropy import (
    grey_entropy,
    joint_entropy,
    local_colour_entropy,
    local_grey_entropy,
    lossless_size,
)
from hndoctor.metrics.local import (
    broad_gradient_kurtosis,
    calm_tile_chroma,
    calm_tile_rms,
    detail_skewness,
    edge_kurtosis,
    fine_gradient_kurtosis,
    gradient_kurtosis,
    long_lag_autocorrelation,
    tile_chroma_variation,
    tile_colour_dimensions,
    tile_rms_variation,
)
from hndoctor.metrics.noise import haar_mad_sigma, immerkaer_sigma
from hndoctor.metrics.pixels import Measure
from hndoctor.metrics.spectrum import (
    cell_energy,
    coarse_energy,
    high_frequency_ratio,
    spectral_entropy,
    spectral_flatness,
    spectral_slope,
)
from hndoctor.metrics.structure import brightness, coherence, contrast, edge_overshoot, flat_area, repetition

METRICS: tuple[Measure, ...] = (
    brightness,
    contrast,
    flat_area,
    grey_entropy,
    joint_entropy,
    local_grey_entropy,
    local_colour_entropy,
    lossless_size,
    spectral_flatness,
    spectral_entropy,
    spectral_slope,
    coarse_energy,
    cell_energy,
    high_frequency_ratio,
    broad_gradient_kurtosis,
    gradient_kurtosis,
    fine_gradient_kurtosis,
    edge_kurtosis,
    detail_skewness,
    calm_tile_rms,
    tile_rms_variation,
    calm_tile_chroma,
    tile_chroma_variation,
    tile_colour_dimensions,
    long_lag_autocorrelation,
    coherence,
    repetition,
    edge_overshoot,
    channel_correlation,
    chroma_ratio,
    broad_colour_alignment,
    colour_alignment,
    fine_colour_alignment,
    colourfulness,
    hue_entropy,
    saturation,
    clipping,
    saturated_clipping,
    immerkaer_sigma,
    haar_mad_sigma,
)
