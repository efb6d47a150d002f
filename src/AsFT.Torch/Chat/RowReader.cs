using System.Text.Json;
using AsFT.Torch.Input;

namespace AsFT.Torch.Chat;

/// <summary>The one reader of files of instructions and conversations: JSON Lines, or an array.</summary>
/// <param name="path">The file.</param>
/// <param name="fields">Where its records have what is asked and answered.</param>
internal sealed class RowReader(string path, RowFields fields) : IDisposable
{
    private readonly JsonRecordReader _records = new(path);
    private readonly RowField?[] _fields = [fields.Prompt, fields.Context, fields.Response, fields.System];
    private readonly string?[] _values = new string?[4];

    /// <summary>The record read last; what is empty counts as none.</summary>
    public ConversationRow Row { get; private set; }

    /// <summary>The record's conversation in JSON; null where the file has none.</summary>
    public string? Messages { get; private set; }

    public string Prompt => _values[0] ?? "";

    public string Context => _values[1] ?? "";

    public string Response => _values[2] ?? "";

    public string System => _values[3] ?? "";

    /// <summary>Reads the next record.</summary>
    /// <returns>False at the end of the file.</returns>
    /// <exception cref="InvalidDataException">The file is not valid, the record lacks a field, or is no conversation; names file and line.</exception>
    public bool MoveNext()
    {
        if (!_records.MoveNext()) return false;
        if (fields.AreConversations) ReadConversation();
        else ReadFields();
        return true;
    }

    /// <summary>An error of the record read last.</summary>
    /// <param name="problem">What is wrong, without a full stop.</param>
    public InvalidDataException Error(string problem) => _records.Error(problem);

    public void Dispose() => _records.Dispose();

    private void ReadConversation()
    {
        using var document = _records.Parse();
        Row = Conversation.Read(document.RootElement, problem => _records.Error(problem));
        Messages = Row.Example is { } whole ? Conversation.Write(whole) : document.RootElement.GetRawText();
        (_values[0], _values[1], _values[2], _values[3]) = (Row.Example?.Prompt, null, Row.Example?.Response, Row.Example?.System);
    }

    private void ReadFields()
    {
        Array.Clear(_values);
        List<string> present = [];
        var hasMessages = false;
        var reader = new Utf8JsonReader(_records.Record.Span);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            var field = Array.FindIndex(_fields, one => one is not null && one.Names.Contains(name));
            if (field >= 0 && present.Find(_fields[field]!.Names.Contains) is { } other)
                throw _records.Error(other == name ? $"the record has two fields '{name}'" : $"the record has both fields '{other}' and '{name}', of which one is wanted", (int)reader.TokenStartIndex);
            present.Add(name);
            reader.Read();
            hasMessages |= name == fields.Messages && reader.TokenType != JsonTokenType.Null;
            if (field < 0)
                reader.Skip();
            else if (reader.TokenType == JsonTokenType.String)
                _values[field] = reader.GetString()!;
            else if (reader.TokenType != JsonTokenType.Null)
                throw _records.Error($"field '{name}' is {JsonRecordReader.Kind(reader.TokenType)}; text is wanted", (int)reader.TokenStartIndex);
        }
        for (var i = 0; i < _fields.Length; i++)
        {
            if (_fields[i] is not { IsOptional: false } missing || _values[i] is not null) continue;
            throw _records.Error($"the record has no field '{missing.Names[0]}'{(present.Contains(missing.Names[0]) ? " other than null" : "")}; its fields are: {(present.Count == 0 ? "none" : string.Join(", ", present))}");
        }
        Row = hasMessages ? OfMessages() : new(new ChatExample(Prompt, NullIfEmpty(Response), NullIfEmpty(System), NullIfEmpty(Context)));
    }

    private ConversationRow OfMessages()
    {
        using var document = _records.Parse();
        var row = Conversation.Read(document.RootElement.GetProperty(fields.Messages!), problem => _records.Error(problem));
        return row.Example is { } whole && System.Length > 0 ? new(whole with { System = System }) : row;
    }

    private static string? NullIfEmpty(string text) => text.Length == 0 ? null : text;
}
