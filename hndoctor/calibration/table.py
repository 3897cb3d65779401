"""Fitted by ``python -m benchmarks.previews.calibrate --write``; not to be edited.

From 2048 measured pictures of 127 kinds, seed 0: 297 art, 224 art drifted, 112 art fried, 17 bare, 30 blank, 80
deceptive, 80 deceptive drifted, 40 deceptive fried, 36 dying, 24 dying sound, 36 grey noise, 162 ladder, 206 noise,
195 photo, 95 photo drifted, 57 photo fried, 24 pixel noise, 120 pocket, 120 pocket drifted, 65 pocket fried, 28
repeated.
"""

from __future__ import annotations

from hndoctor.calibration.logistic import Branch, Term

#: A quarter of the interquartile range of each measure over sound pictures, on its form's scale.
FLOORS: dict[str, float] = {
    "broad_gradient_kurtosis": 0.17,
    "gradient_kurtosis": 0.3329,
    "fine_gradient_kurtosis": 0.3764,
    "edge_kurtosis": 0.3898,
    "calm_tile_rms": 0.4708,
    "calm_tile_chroma": 0.3594,
    "tile_rms_variation": 0.2162,
    "tile_chroma_variation": 0.166,
    "tile_colour_dimensions": 0.3134,
    "grey_entropy": 0.5969,
    "joint_entropy": 1.145,
    "local_colour_entropy": 0.5092,
    "local_grey_entropy": 0.4622,
    "lossless_size": 0.1317,
    "spectral_flatness": 0.3393,
    "spectral_entropy": 0.05017,
    "spectral_slope": 0.2496,
    "coarse_energy": 0.1169,
    "cell_energy": 0.3232,
    "high_frequency_ratio": 0.3597,
    "long_lag_autocorrelation": 0.08146,
    "coherence": 0.1013,
    "channel_correlation": 0.0925,
    "chroma_ratio": 0.7933,
    "colourfulness": 0.4528,
    "hue_entropy": 0.08266,
    "saturation": 0.4288,
    "clipping": 0.5232,
    "saturated_clipping": 0.001,
    "contrast": 0.1825,
    "brightness": 0.04578,
    "flat_area": 0.09176,
    "repetition": 0.04731,
    "edge_overshoot": 0.1177,
    "immerkaer_sigma": 0.4062,
    "haar_mad_sigma": 0.7121,
}

TABLE: dict[str, Branch] = {
    "fine noise, large": Branch(
        -3.474,
        (
            Term("local_colour_entropy", 1.67, 3.228, 2.251, 1.22),
            Term("broad_gradient_kurtosis", -2.919, 1.507, 0.5656, 5.998),
            Term("joint_entropy", 2.35, 8.822, 3.432, 7.023),
            Term("gradient_kurtosis", -2.028, 1.909, 0.8867, 11.81),
            Term("coarse_energy", -1.948, 0.2596, 0.2837, 0.51),
        ),
        (
            (0.625,),
            (-0.229, 0.495),
            (0.169, 0.185, 0.442),
            (0.172, 0.0485, 0.0904, 0.558),
            (0.118, 0.0647, -0.0794, 0.0448, 0.248),
            (-0.0504, 0.175, 0.1, 0.145, -0.215, 0.344),
        ),
    ),
    "blobs, large": Branch(
        -3.792,
        (
            Term("joint_entropy", 3.421, 9.095, 3.591, 7.023),
            Term("broad_gradient_kurtosis", -2.8, 1.531, 0.5507, 5.998),
            Term("fine_gradient_kurtosis", -2.13, 2.275, 0.8678, 16.38),
            Term("tile_chroma_variation", 1.813, -0.7528, 0.634, 0.7405),
            Term("hue_entropy", 3.067, 0.6474, 0.3359, 0.4354),
            Term("gradient_kurtosis", -1.832, 2.006, 0.8184, 11.81),
        ),
        (
            (1.03,),
            (-0.355, 1.16),
            (0.4, 0.442, 0.89),
            (-0.0679, 0.121, -0.0795, 0.684),
            (0.526, 0.411, -1.67, -0.919, 1.11),
            (0.143, -0.287, -0.21, -0.0834, 0.453, 0.655),
            (-0.0574, 0.17, -0.105, 0.263, 0.0682, 0.0645, 0.284),
        ),
    ),
    "fine noise, small": Branch(
        -2.578,
        (
            Term("calm_tile_chroma", 2.584, -2.622, 1.31, 0.006966),
            Term("broad_gradient_kurtosis", -4.128, 1.478, 0.5452, 7.445),
            Term("joint_entropy", 2.353, 9.083, 3.341, 6.586),
            Term("tile_chroma_variation", 0.8873, -0.8382, 0.7372, 0.9399),
        ),
        (
            (0.705,),
            (-0.203, 0.946),
            (-0.108, 0.296, 0.745),
            (-0.726, -0.364, 0.548, 0.688),
            (-0.106, 0.148, -0.315, 0.141, 0.645),
        ),
    ),
    "blobs, small": Branch(
        -1.276,
        (
            Term("hue_entropy", 1.197, 0.6097, 0.2958, 0.4114),
            Term("high_frequency_ratio", -1.048, -3.583, 1.203, 0.03543),
            Term("broad_gradient_kurtosis", -1.17, 1.512, 0.5302, 7.445),
            Term("spectral_slope", -0.9261, -3.4, 1.381, -2.695),
            Term("joint_entropy", 1.267, 8.852, 3.113, 6.586),
            Term("cell_energy", -0.4106, -3.091, 1.105, 0.0593),
        ),
        (
            (4.98,),
            (-1.23, 3.52),
            (0.047, 0.999, 3.19),
            (-2.32, 0.687, -0.455, 4.13),
            (1.36, -0.131, -0.204, -1.96, 1.66),
            (-4.1, 0.45, 1.68, 2.89, -0.604, 1.07),
            (-1.33, -0.0908, 0.974, 0.875, -0.152, -0.747, 1.21),
        ),
    ),
    "severity, large": Branch(
        -1.097,
        (
            Term("local_colour_entropy", -0.1436, 4.084, 2.28, 1.22),
            Term("broad_gradient_kurtosis", -2.396, 1.458, 0.4954, 5.998),
            Term("joint_entropy", 1.716, 10.21, 3.125, 7.023),
            Term("gradient_kurtosis", -0.4537, 1.621, 0.8071, 11.81),
            Term("coarse_energy", 0.4254, 0.2508, 0.2757, 0.51),
        ),
        (
            (0.21,),
            (0.0283, 0.514),
            (0.128, 0.352, 0.237),
            (-0.142, -0.394, 0.0303, 0.269),
            (0.00833, 0.134, -0.0855, 0.0366, 0.34),
            (-0.0831, -0.0642, -0.0361, 0.191, -0.364, 0.144),
        ),
    ),
    "severity, small": Branch(
        -1.136,
        (
            Term("calm_tile_chroma", 1.946, -2.351, 1.044, 0.004116),
            Term("broad_gradient_kurtosis", -2.651, 1.389, 0.4624, 6.869),
            Term("joint_entropy", 0.0981, 10.31, 2.822, 6.412),
            Term("tile_chroma_variation", 0.7665, -0.863, 0.5107, 0.8618),
        ),
        (
            (0.266,),
            (-0.176, 0.414),
            (-0.251, 0.0652, 0.386),
            (-0.174, -0.222, -0.00393, 0.12),
            (0.197, 0.221, -0.225, 0.135, 0.216),
        ),
    ),
    "grey noise": Branch(
        -2.871,
        (
            Term("broad_gradient_kurtosis", -4.52, 1.48, 0.5756, 6.758),
            Term("saturation", -3.232, -2.957, 1.262, 0.2139),
        ),
        (
            (0.374,),
            (0.167, 0.301),
            (0.216, -0.247, 0.373),
        ),
    ),
    "blank": Branch(
        -0.2505,
        (Term("contrast", -5.539, -3.141, 1.942, 0.3193),),
        (
            (0.357,),
            (-0.165, 0.219),
        ),
    ),
    "repeated": Branch(
        -1.758,
        (Term("repetition", 5.265, 0.6164, 0.3932, 0.1957),),
        (
            (0.352,),
            (-0.0913, 0.16),
        ),
    ),
    "fried": Branch(
        0.5921,
        (
            Term("colour", 0.6968, 0.364, 0.4635, 0.02394),
            Term("clipped", 2.096, 0.3716, 0.4194, 0.005615),
            Term("halo", 1.218, 0.03149, 0.1177, -0.01086),
            Term("contrast", 1.897, 0.1663, 0.3322, -0.05359),
        ),
        (
            (0.277,),
            (-0.0342, 0.24),
            (-0.29, 0.202, 0.253),
            (0.0517, 0.104, -0.0119, 0.131),
            (-0.115, 0.135, 0.0523, -0.00652, 0.277),
        ),
    ),
    "tile": Branch(
        -1.083,
        (
            Term("tile_chroma", 1.791, -2.094, 1.283, -0.9141),
            Term("tile_luma", -0.4989, -1.882, 0.9084, -1.219),
            Term("tile_entropy", 2.63, 3.633, 2.049, 0.1455),
            Term("tile_kurtosis", -2.398, 2.005, 0.9083, 1.234),
        ),
        (
            (3.16e-05,),
            (0.0, 3.16e-05),
            (0.0, 0.0, 3.16e-05),
            (0.0, 0.0, 0.0, 3.16e-05),
            (0.0, 0.0, 0.0, 0.0, 3.16e-05),
        ),
    ),
    "beside itself": Branch(
        -1.641,
        (
            Term("looks", 2.244, -0.457, 5.322, -5.81),
            Term("rise", 0.247, -1.461, 4.82, -5.83),
            Term("change", -0.7236, 0.7319, 1.536, 0.1048),
            Term("novelty", 1.888, 1.685, 0.6721, 1.201),
            Term("both", 3.803, -1.117, 4.803, -5.81),
        ),
        (
            (0.251,),
            (-0.0128, 0.467),
            (-0.00513, -0.0179, 0.265),
            (0.0661, -0.00797, -0.155, 0.114),
            (-0.0865, -0.0903, 0.0865, -0.0473, 0.21),
            (-0.0395, -0.368, -0.142, 0.0108, -0.0771, 0.151),
        ),
    ),
    "beside its kind": Branch(
        -1.095,
        (
            Term("looks", 1.643, -0.3445, 5.304, -5.42),
            Term("rise", 0.698, -1.387, 4.828, -5.45),
            Term("change", -0.3794, 0.6707, 1.396, 0.06142),
            Term("novelty", 2.784, 1.372, 0.6248, 0.8167),
            Term("both", 3.377, -1.263, 4.585, -5.42),
        ),
        (
            (0.293,),
            (0.303, 0.609),
            (-0.138, -0.133, 0.288),
            (0.0734, 0.0524, -0.147, 0.161),
            (-0.0519, -0.21, 0.0288, 0.175, 0.193),
            (-0.161, -0.205, -0.191, -0.0261, -0.0529, 0.171),
        ),
    ),
}
