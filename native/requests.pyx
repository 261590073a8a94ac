"""Header sets and batches of requests: checked once when they are made, so that sessions need not look again.

Every octet that goes on the wire stays in the Python object it came in; the arrays here only point to it. A row's
header block is bounded here (BLOCK_BYTES - SESSION_PART_BYTES), the session's part where the session learns it:
together they fit one frame.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_GET_ITEM
from libc.stdint cimport uint32_t
from libc.string cimport memcpy, memset

cimport cython

from native.c.nghttp2 cimport nghttp2_check_header_name, nghttp2_check_header_value_rfc9113, nghttp2_check_path
from native.hpack cimport (
    LITERAL_BYTES, SIZE_UPDATES_BYTES, Encoder, Field, static_name_index, write_integer, write_text)
from native.memory cimport LIVE_REQUESTS, allocate, count_live, release

cdef frozenset CONNECTION_SPECIFIC = frozenset(  # RFC 9113 section 8.2.2
    (b"connection", b"host", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade"))
cdef unsigned char *HEX_DIGITS = b"0123456789abcdef"
cdef size_t ROW_PART_BYTES = BLOCK_BYTES - SESSION_PART_BYTES - SIZE_UPDATES_BYTES
cdef size_t MOST_ROWS = 1 << 24


cdef int _check_name(bytes name) except -1:
    cdef const unsigned char *octets = name
    if not nghttp2_check_header_name(octets, len(name)) or octets[0] == b":" or name in CONNECTION_SPECIFIC:
        raise ValueError(f"{name!r} can't be sent as a header name")
    return 0


cdef bint _is_value(bytes value) except -1:
    return nghttp2_check_header_value_rfc9113(value, len(value)) != 0


cdef int _fill_name(Field *field, bytes name) except -1:
    field.name = name
    field.name_length = <uint32_t>len(name)
    field.static_name = static_name_index(name)
    field.indexed = False
    return 0


@cython.final
cdef class HeaderSet:
    """Header fields that many requests share, ready for the wire; immutable.

    ``fields`` are (name, value, indexed): indexed ones enter the HPACK dynamic table, the others are literals that
    never do. Raises ValueError for a pseudo-header, a connection-specific, upper-case or empty name, or an illegal
    octet.
    """

    def __cinit__(self, fields=()):
        cdef bytes name, value
        cdef Field *field
        self.fields = tuple([(<bytes?>name, <bytes?>value, bool(indexed)) for name, value, indexed in fields])
        if not self.fields:
            return
        self._fields = <Field *>allocate(len(self.fields) * sizeof(Field))
        if self._fields == NULL:
            raise MemoryError
        for name, value, indexed in self.fields:
            _check_name(name)
            if not _is_value(value):
                raise ValueError(f"the value of header {name!r} can't be sent")
            field = &self._fields[self._count]
            _fill_name(field, name)
            field.value = value
            field.value_length = <uint32_t>len(value)
            field.indexed = indexed
            self._count += 1
            self._bound += len(name) + len(value) + LITERAL_BYTES

    def __dealloc__(self):
        release(self._fields)

    def __repr__(self):
        return f"<HeaderSet of {', '.join([name.decode() for name, _, _ in self.fields]) or 'nothing'}>"


cdef uint32_t *_numbers(object values, Py_ssize_t length, size_t stop, str what) except? NULL:
    """Copy one number a row, each below ``stop``, into an array of the caller's; NULL for None."""
    cdef uint32_t *numbers
    cdef Py_ssize_t row
    cdef size_t number
    if values is None:
        return NULL
    values = tuple(values)
    if len(values) != length:
        raise ValueError(f"{what} has {len(values)} entries for {length} rows")
    numbers = <uint32_t *>allocate(length * sizeof(uint32_t))
    if numbers == NULL:
        raise MemoryError
    try:
        for row in range(length):
            if not 0 <= values[row] < stop:
                raise ValueError(f"row {row}: {what} {values[row]} is not below {stop}")
            number = values[row]
            numbers[row] = <uint32_t>number
    except BaseException:
        release(numbers)
        raise
    return numbers


@cython.final
cdef class Requests:
    """A batch of POST requests as arrays; rows are numbered from 0 and belong to one session at a time each.

    ``paths`` one a row. ``bodies`` one a row, or distinct ones picked by ``body_of_row``. ``header_sets`` are picked
    by ``header_set_of_row`` (None: every row takes number 0; without header sets rows have none). ``uuid_header`` =
    (name, 12-byte prefix, first number): row i carries the lower-case UUID text of prefix + number as 32-bit
    big-endian, a literal never indexed; the number is ``uuid_numbers[i]`` where that is given, else first number + i.
    ``row_fields`` = (name, one value or None a row), literals never indexed. ``owner`` is the caller's own object.
    Raises ValueError naming the row whose path, body or header can't be sent, TypeError for what isn't bytes; neither
    shows a value.
    """

    def __cinit__(
        self, *, paths, bodies, body_of_row=None, header_sets=(), header_set_of_row=None, uuid_header=None,
        uuid_numbers=None, row_fields=(), owner=None,
    ):
        count_live(LIVE_REQUESTS, 1)
        self.owner = owner
        self._paths = tuple(paths)
        self._bodies = tuple(bodies)
        self._header_sets = tuple(header_sets) or (EMPTY,)
        self._length = len(self._paths)
        if self._length > <Py_ssize_t>MOST_ROWS:
            raise ValueError(f"{self._length} rows are more than {MOST_ROWS}")
        self._body_of_row = _numbers(body_of_row, self._length, len(self._bodies), "body_of_row")
        if body_of_row is None and len(self._bodies) != self._length:
            raise ValueError(f"{len(self._bodies)} bodies for {self._length} rows")
        self._header_set_of_row = _numbers(header_set_of_row, self._length, len(self._header_sets), "header_set_of_row")
        self._take_uuid_header(uuid_header, uuid_numbers)
        self._take_row_fields(row_fields)
        self._states = <unsigned char *>allocate(self._length)
        if self._states == NULL:
            raise MemoryError
        memset(self._states, ROW_IDLE, self._length)
        self._check_rows()

    def __dealloc__(self):
        count_live(LIVE_REQUESTS, -1)
        release(self._body_of_row)
        release(self._header_set_of_row)
        release(self._uuid_numbers)
        release(self._row_names)
        release(self._states)

    def __len__(self):
        return self._length

    def __repr__(self):
        return f"<Requests of {self._length} rows, {self._in_flight} in flight>"

    @property
    def in_flight(self):
        """Rows submitted to a session and not yet ended."""
        return self._in_flight

    def take_successes(self):
        """Return row ranges (start, stop) that ended in a plain success since the last call, in row order."""
        cdef list ranges = []
        cdef Py_ssize_t row = self._succeeded_start
        cdef Py_ssize_t start
        while row < self._succeeded_stop:
            start = row
            while row < self._succeeded_stop and self._states[row] == ROW_SUCCEEDED:
                row += 1
            if row > start:
                ranges.append((start, row))
            row += 1
        for start, row in ranges:
            memset(self._states + start, ROW_IDLE, row - start)
        self._succeeded_start = self._succeeded_stop = 0
        return ranges

    cdef int _take_uuid_header(self, uuid_header, uuid_numbers) except -1:
        cdef bytes name, prefix
        cdef Field field
        cdef unsigned char head[16]
        if uuid_header is None:
            if uuid_numbers is not None:
                raise ValueError("uuid_numbers without a uuid_header")
            return 0
        name, prefix, first = uuid_header
        _check_name(name)
        if len(prefix) != 12:
            raise ValueError(f"the uuid_header's prefix has {len(prefix)} bytes, not 12")
        if not 0 <= first <= 2**32 - max(self._length, 1):
            raise ValueError(f"uuid_header numbers from {first} for {self._length} rows don't fit 32 bits")
        self._uuid_first = first
        self._uuid_numbers = _numbers(uuid_numbers, self._length, 2**32, "uuid_numbers")
        _fill_name(&field, name)
        text = prefix.hex()
        text = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}".encode()
        literal = head[:write_integer(head, 0, 4, field.static_name) - head]
        if not field.static_name:
            literal += head[:write_integer(head, 0, 7, field.name_length) - head] + name
        self._uuid_literal = literal + bytes((UUID_TEXT_BYTES,)) + text
        return 0

    cdef int _take_row_fields(self, row_fields) except -1:
        cdef bytes name
        cdef Py_ssize_t count = 0
        self._row_fields = [(<bytes?>name, tuple(values)) for name, values in row_fields]
        if not self._row_fields:
            return 0
        self._row_names = <Field *>allocate(len(self._row_fields) * sizeof(Field))
        if self._row_names == NULL:
            raise MemoryError
        for name, values in self._row_fields:
            _check_name(name)
            if len(values) != self._length:
                raise ValueError(f"row field {name!r} has {len(values)} values for {self._length} rows")
            _fill_name(&self._row_names[count], name)
            count += 1
        return 0

    cdef int _check_rows(self) except -1:
        """Refuse what could not be sent, naming the row."""
        cdef Py_ssize_t row
        cdef object body
        cdef HeaderSet headers
        for body in self._bodies:
            if type(body) is not bytes:
                raise TypeError(f"a body is {type(body).__name__}, not bytes")
        for headers in self._header_sets:
            if headers is None:
                raise TypeError("a header set is None")
        for row in range(self._length):
            self._check_row(row)
        return 0

    cdef Py_ssize_t _check_row(self, Py_ssize_t row) except -1:
        """Check one row's path and fields; return the bound of their octets on the wire."""
        cdef object path = <object>PyTuple_GET_ITEM(self._paths, row)
        cdef HeaderSet headers = self._headers(row)
        cdef size_t bound = headers._bound + LITERAL_BYTES + len(path)
        cdef bytes name
        if type(path) is not bytes:
            raise TypeError(f"row {row}: the path is {type(path).__name__}, not bytes")
        if not path.startswith(b"/") or not nghttp2_check_path(path, len(path)):
            raise ValueError(f"row {row}: the path must start with '/' and hold only characters of a URL path")
        if self._uuid_literal is not None:
            bound += len(self._uuid_literal) + 8
        for name, values in self._row_fields:
            value = values[row]
            if value is None:
                continue
            if type(value) is not bytes or not _is_value(value):
                raise ValueError(f"row {row}: the value of header {name!r} can't be sent")
            bound += len(name) + len(value) + LITERAL_BYTES
        if bound > ROW_PART_BYTES:
            raise ValueError(f"row {row}: path and headers may take {ROW_PART_BYTES} bytes, not {bound}")
        return bound

    cdef inline HeaderSet _headers(self, Py_ssize_t row):
        cdef uint32_t number = 0 if self._header_set_of_row == NULL else self._header_set_of_row[row]
        return <HeaderSet>PyTuple_GET_ITEM(self._header_sets, number)

    cdef PyObject *body(self, Py_ssize_t row) noexcept:
        """Return the row's body, a bytes object that lives as long as this batch."""
        return <PyObject *>PyTuple_GET_ITEM(self._bodies, row if self._body_of_row == NULL else self._body_of_row[row])

    cdef unsigned char *write_block(self, unsigned char *out, Py_ssize_t row, Encoder encoder) noexcept:
        """Write the row's whole header block; the caller has BLOCK_BYTES of room."""
        cdef object path = <object>PyTuple_GET_ITEM(self._paths, row)
        cdef HeaderSet headers = self._headers(row)
        cdef Py_ssize_t position
        out = encoder.write_head(
            out, <unsigned char *>PyBytes_AS_STRING(path), <uint32_t>PyBytes_GET_SIZE(path),
            headers, headers._fields, headers._count)
        if self._uuid_literal is not None:
            out = self._write_uuid(out, row)
        for position in range(len(self._row_fields)):
            out = self._write_row_field(out, position, row)
        return out

    cdef unsigned char *_write_uuid(self, unsigned char *out, Py_ssize_t row) noexcept:
        cdef Py_ssize_t length = PyBytes_GET_SIZE(self._uuid_literal)
        cdef uint32_t number = self._uuid_first + <uint32_t>row
        cdef int digit
        if self._uuid_numbers != NULL:
            number = self._uuid_numbers[row]
        memcpy(out, PyBytes_AS_STRING(self._uuid_literal), length)
        out += length
        for digit in range(8):
            out[digit] = HEX_DIGITS[(number >> (28 - 4 * digit)) & 0xF]
        return out + 8

    cdef unsigned char *_write_row_field(self, unsigned char *out, Py_ssize_t position, Py_ssize_t row) noexcept:
        cdef tuple values = <tuple>(<tuple>self._row_fields[position])[1]
        cdef object value = <object>PyTuple_GET_ITEM(values, row)
        cdef Field *field = &self._row_names[position]
        if value is None:
            return out
        out = write_integer(out, 0, 4, field.static_name)
        if not field.static_name:
            out = write_text(out, field.name, field.name_length)
        return write_text(out, <unsigned char *>PyBytes_AS_STRING(value), <uint32_t>PyBytes_GET_SIZE(value))

    cdef bint begin(self, Py_ssize_t row) noexcept:
        """Mark a row as in flight; False when it is so already, or its success wasn't taken yet."""
        if self._states[row] != ROW_IDLE:
            return False
        self._states[row] = ROW_IN_FLIGHT
        self._in_flight += 1
        return True

    cdef void end(self, Py_ssize_t row, bint succeeded) noexcept:
        self._in_flight -= 1
        self._states[row] = ROW_SUCCEEDED if succeeded else ROW_IDLE
        if not succeeded:
            return
        if self._succeeded_stop == 0:
            self._succeeded_start = row
        self._succeeded_start = min(self._succeeded_start, row)
        self._succeeded_stop = max(self._succeeded_stop, row + 1)


cdef HeaderSet EMPTY = HeaderSet()
