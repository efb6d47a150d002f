using System.Buffers;
using System.Text.Json;

namespace AsFT.Torch.Input;

/// <summary>
/// Streams the objects of a JSON array, or of a sequence of objects (JSON Lines), through one buffer that holds no more than the
/// longest object. Knows the line on which each object starts. Objects are checked as <see cref="JsonInput"/> checks files.
/// </summary>
internal sealed class JsonRecordReader : IDisposable
{
    /// <summary>Bytes of one record at most: some 16 million tokens, beyond any context, and far below what an array can hold.</summary>
    public const int MaxRecordBytes = 64 << 20;

    private const int InitialBuffer = 64 * 1024;
    private static readonly JsonReaderOptions Options = new() { AllowMultipleValues = true };
    private readonly string _path;
    private readonly int _maxRecordBytes;
    private readonly Stream _stream;
    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(InitialBuffer);
    private int _start, _end;
    private bool _isLastBlock;
    private JsonReaderState _state = new(Options);
    private long _linesBefore;
    private Layout _layout;

    private enum Layout { Unknown, Array, Sequence, ArrayEnded }

    /// <param name="path">The file.</param>
    /// <param name="maxRecordBytes">Bytes of one record at most.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is no text in UTF-8; says what it is.</exception>
    public JsonRecordReader(string path, int maxRecordBytes = MaxRecordBytes)
    {
        (_path, _maxRecordBytes) = (path, maxRecordBytes);
        _stream = InputFile.Open(path, FileOptions.SequentialScan, bufferSize: 0);
        try
        {
            Fill();
            var start = _buffer.AsSpan(_start, _end);
            if (!start.IsEmpty && ForeignContent.Recognize(start) is { } foreign) throw new InvalidDataException($"'{path}' {foreign}.");
            if (start.StartsWith(ForeignContent.ByteOrderMark)) _start += ForeignContent.ByteOrderMark.Length;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Line, counted from 1, on which the record last read starts.</summary>
    public long Line { get; private set; }

    /// <summary>The record last read, braces included; gone with the next one.</summary>
    public ReadOnlyMemory<byte> Record { get; private set; }

    /// <summary>Goes to the next record.</summary>
    /// <returns>False at the end of the file.</returns>
    /// <exception cref="InvalidDataException">The file is not valid; names file and line.</exception>
    public bool MoveNext()
    {
        while (true)
        {
            var reader = new Utf8JsonReader(_buffer.AsSpan(_start, _end - _start), _isLastBlock, _state);
            try
            {
                switch (Next(ref reader))
                {
                    case Found.Record: return true;
                    case Found.End: return false;
                    case Found.NeedMore: Fill(); break;
                    default: break;
                }
            }
            catch (JsonException e)
            {
                // The reader counts lines over the whole file.
                var line = (e.LineNumber ?? 0) + 1;
                var last = Line > 0 && Line < line ? $"; the last record that was read starts on line {Line}" : "";
                throw new InvalidDataException($"'{_path}', line {line}: malformed JSON ({JsonInput.Reason(e)}){last}.", e);
            }
        }
    }

    /// <summary>The record last read as a document, which must be done with before the next one is read.</summary>
    /// <exception cref="InvalidDataException">It names a field twice.</exception>
    public JsonDocument Parse()
    {
        try
        {
            return JsonDocument.Parse(Record, JsonInput.Strict);
        }
        catch (JsonException e)
        {
            throw Error(JsonInput.Reason(e), (int)(e.BytePositionInLine ?? 0), e);
        }
    }

    /// <summary>An error of the record last read.</summary>
    /// <param name="problem">What is wrong, without a full stop.</param>
    /// <param name="offset">Bytes from the record's start to the place that is wrong.</param>
    /// <param name="inner">What found it.</param>
    public InvalidDataException Error(string problem, int offset = 0, Exception? inner = null) =>
        new($"'{_path}', line {Line + Record.Span[..Math.Min(offset, Record.Length)].Count((byte)'\n')}: {problem}.", inner);

    public void Dispose()
    {
        _stream.Dispose();
        ArrayPool<byte>.Shared.Return(_buffer);
        (_buffer, Record) = ([], default);
    }

    private enum Found { Record, Other, End, NeedMore }

    // Steps over the next token, or over the next object, which must then lie whole in the buffer.
    private Found Next(ref Utf8JsonReader reader)
    {
        // In the last block the reader itself refuses an array or object that is not closed.
        if (!reader.Read()) return _isLastBlock ? Found.End : Found.NeedMore;
        var start = (int)reader.TokenStartIndex;
        var line = LineAt(start);
        if (_layout == Layout.ArrayEnded) throw Wrong(line, "there is text after the array's end");
        if (_layout == Layout.Unknown && reader.TokenType == JsonTokenType.StartArray)
        {
            _layout = Layout.Array;
            return Consume(reader, Found.Other);
        }
        if (_layout == Layout.Array && reader.TokenType == JsonTokenType.EndArray)
        {
            _layout = Layout.ArrayEnded;
            return Consume(reader, Found.Other);
        }
        if (reader.TokenType != JsonTokenType.StartObject) throw Wrong(line, $"a record must be an object in braces, one a line or all in one array; found {Kind(reader.TokenType)}");
        if (!reader.TrySkip()) return Found.NeedMore;
        if (_layout == Layout.Unknown) _layout = Layout.Sequence;
        (Line, Record) = (line, _buffer.AsMemory(_start + start, (int)reader.BytesConsumed - start));
        if (ForeignContent.InvalidUtf8(Record.Span, Line) is { } wrong) throw new InvalidDataException($"'{_path}' {wrong}.");
        JsonInput.RequireWholeTexts(Record.Span, _path, Line);
        return Consume(reader, Found.Record);
    }

    private Found Consume(in Utf8JsonReader reader, Found found)
    {
        var consumed = (int)reader.BytesConsumed;
        _linesBefore += _buffer.AsSpan(_start, consumed).Count((byte)'\n');
        _start += consumed;
        _state = reader.CurrentState;
        return found;
    }

    // The unread rest moves to the front; a buffer that is full of one record doubles.
    private void Fill()
    {
        var length = _end - _start;
        if (length > _maxRecordBytes)
        {
            var blank = _buffer.AsSpan(_start, length).IndexOfAnyExcept(" \t\r\n,"u8);
            throw Wrong(LineAt(Math.Max(blank, 0)), $"the record that starts here has more than {_maxRecordBytes} bytes, more than any model reads; is the file damaged, or several files in one line?");
        }
        if (_start > 0)
        {
            _buffer.AsSpan(_start, length).CopyTo(_buffer);
            (_start, _end) = (0, length);
        }
        if (_end == _buffer.Length)
        {
            var larger = ArrayPool<byte>.Shared.Rent(_buffer.Length * 2);
            _buffer.AsSpan(0, length).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = larger;
        }
        var read = _stream.ReadAtLeast(_buffer.AsSpan(_end), Math.Min(_buffer.Length - _end, ForeignContent.Looked), throwOnEndOfStream: false);
        _end += read;
        _isLastBlock = read == 0;
    }

    private long LineAt(int offset) => _linesBefore + _buffer.AsSpan(_start, offset).Count((byte)'\n') + 1;

    private InvalidDataException Wrong(long line, string problem) => new($"'{_path}', line {line}: {problem}.");

    /// <summary>A token in words.</summary>
    public static string Kind(JsonTokenType type) => type switch
    {
        JsonTokenType.StartObject => "an object",
        JsonTokenType.StartArray => "an array",
        JsonTokenType.EndArray => "']'",
        JsonTokenType.Number => "a number",
        JsonTokenType.True or JsonTokenType.False => "a truth value",
        JsonTokenType.Null => "null",
        JsonTokenType.String => "a text",
        _ => type.ToString(),
    };
}
