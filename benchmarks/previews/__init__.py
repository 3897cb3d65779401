"""How well noise is seen: families of pictures, the calibration from them, and the table against other measures."""
