"""Element types by torch's names: how they are stored, and how they arrive in numpy."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np

from hndoctor.formats.types import Array

STORED: Mapping[str, str] = {
    "float64": "f8",
    "float32": "f4",
    "float16": "f2",
    "bfloat16": "u2",
    "float8_e4m3fn": "u1",
    "float8_e5m2": "u1",
    "int64": "i8",
    "int32": "i4",
    "int16": "i2",
    "int8": "i1",
    "uint64": "u8",
    "uint32": "u4",
    "uint16": "u2",
    "uint8": "u1",
    "bool": "u1",
    "complex64": "c8",
    "complex128": "c16",
}
"""torch dtype name -> the numpy kind its bytes have on disk, without byte order."""

STORAGES: Mapping[str, str] = {
    "QInt8Storage": "int8",  # of quantised tensors, which are not read; first, as the last of a type is written
    "QUInt8Storage": "uint8",
    "QInt32Storage": "int32",
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "UntypedStorage": "uint8",
}
"""torch storage class -> dtype name."""

SAFETENSORS: Mapping[str, str] = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
}
"""safetensors dtype -> dtype name."""


@cache
def itemsize(dtype: str) -> int:
    """Bytes of one element on disk."""
    return np.dtype(STORED[dtype]).itemsize


def decode(stored: Array, dtype: str) -> Array:
    """Elements as stored -> elements as numbers, exactly: bfloat16 and float8 become float32, bool becomes bool."""
    if dtype == "bfloat16":
        wide: Array = (stored.astype(np.uint32) << 16).view(np.float32)
        return wide
    if dtype in ("float8_e4m3fn", "float8_e5m2"):
        return _float8_table(dtype)[stored]
    return stored != 0 if dtype == "bool" else stored


@cache
def _float8_table(dtype: str) -> Array:
    """All 256 values of an 8-bit float (OCP 8-bit floating point specification)."""
    exponent_bits, bias = (4, 7) if dtype == "float8_e4m3fn" else (5, 15)
    mantissa_bits = 7 - exponent_bits
    code = np.arange(256)
    sign = np.where(code & 0x80, -1.0, 1.0)
    exponent = (code >> mantissa_bits) & ((1 << exponent_bits) - 1)
    fraction = (code & ((1 << mantissa_bits) - 1)) / (1 << mantissa_bits)
    value = np.where(exponent, (1 + fraction) * 2.0 ** (exponent - bias), fraction * 2.0 ** (1 - bias))
    if dtype == "float8_e4m3fn":
        value[(code & 0x7F) == 0x7F] = np.nan
    else:
        top = exponent == 31
        value[top] = np.where(fraction[top] == 0, np.inf, np.nan)
    table: Array = (sign * value).astype(np.float32)
    return table
