"""Parquet files with checksums: of each page, as other readers know them, and of the whole file.

The pages' own checksums leave out headers and footer. So 16 bytes stand between the last page and the footer, where readers that
go by offsets never look: a mark, and the CRC-32 of all other bytes of the file.
"""

from __future__ import annotations

import io
import struct
import zlib

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["Damaged", "intact", "sealed"]

_MARK = b"dynamark-crc"
_SEAL = len(_MARK) + 4
# Stands in the schema of a sealed file: the seal itself may be what is damaged.
_PROMISE = b"dynamark_sealed"


class Damaged(Exception):
    """The bytes of a file are not those that were written."""


def sealed(table: pa.Table) -> bytes:
    """A table as the bytes of a Parquet file with checksums."""
    promised = table.replace_schema_metadata({**(table.schema.metadata or {}), _PROMISE: b"1"})
    buffer = io.BytesIO()
    pq.write_table(promised, buffer, compression="zstd", write_page_checksum=True)
    data = buffer.getvalue()
    place = _footer(data)
    return data[:place] + _MARK + struct.pack("<I", zlib.crc32(data)) + data[place:]


def intact(data: bytes) -> pq.ParquetFile:
    """The Parquet file in these bytes, its checksum compared. Files without one, of older versions, have their pages checked."""
    place = _footer(data) - _SEAL
    marked = data[place : place + len(_MARK)] == _MARK if place > 0 else False
    if marked:
        (wanted,) = struct.unpack("<I", data[place + len(_MARK) : place + _SEAL])
        if zlib.crc32(data[place + _SEAL :], zlib.crc32(data[:place])) != wanted:
            raise Damaged("its checksum does not match")
    file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
    if not marked and _PROMISE in (file.schema_arrow.metadata or {}):
        raise Damaged("its checksum is gone")
    return file


def _footer(data: bytes) -> int:
    """Where the footer of a Parquet file begins; 0 in other files."""
    if len(data) < 12 or data[-4:] != b"PAR1":
        return 0
    return max(0, len(data) - 8 - int.from_bytes(data[-8:-4], "little"))
