using System.Text.Json;
using AsFT.Torch.Input;

namespace AsFT.Torch.Chat;

/// <summary>A field of a file's records.</summary>
/// <param name="Names">Its name, or the names of which a record may have one.</param>
/// <param name="IsOptional">Whether a record may lack it, or have null.</param>
internal sealed record RowField(IReadOnlyList<string> Names, bool IsOptional);

/// <summary>Where the records of a file have what is asked and answered: in fields, or in a conversation.</summary>
/// <param name="Prompt">What the user asks; null: records are conversations.</param>
/// <param name="Context">Further input, or null.</param>
/// <param name="Response">The answer, or null.</param>
/// <param name="System">A system message, or null.</param>
/// <param name="Messages">Name of a field with a conversation, which a record may have that the others tell only the end of; null: none.</param>
internal sealed record RowFields(RowField? Prompt, RowField? Context, RowField? Response, RowField? System, string? Messages = null)
{
    // The published layout first.
    private static readonly string[] Prompts = ["instruction", "prompt", "question", "goal"];
    private static readonly string[] Contexts = ["input", "context"];
    private static readonly string[] Responses = ["output", "response", "completion", "answer", "target"];

    /// <summary>Conversations: <c>messages</c>, <c>conversations</c>, or <c>prompt</c> and <c>completion</c> as lists of turns.</summary>
    public static RowFields Conversations { get; } = new(null, null, null, null);

    /// <summary>Whether records are conversations.</summary>
    public bool AreConversations => Prompt is null;

    /// <summary>
    /// Finds the layout of a file by its first record: instruction, input, output; prompt and response or completion; question and answer; goal and
    /// target; or a conversation.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="responseIsOptional">Whether a record may lack its answer.</param>
    /// <param name="system">Name of the field with a system message; null: none.</param>
    /// <exception cref="InvalidDataException">The file is not valid, or holds no records.</exception>
    public static RowFields Of(string path, bool responseIsOptional, string? system = null)
    {
        using var records = new JsonRecordReader(path);
        if (!records.MoveNext()) throw new InvalidDataException($"'{path}' holds no records.");
        List<string> names = [];
        var isConversation = false;
        var reader = new Utf8JsonReader(records.Record.Span);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            names.Add(reader.GetString()!);
            reader.Read();
            isConversation |= Conversation.IsOne(names[^1], reader.TokenType);
            reader.Skip();
        }
        if (isConversation && !names.Contains(Prompts[0])) return Conversations;
        return new(new([Array.Find(Prompts, names.Contains) ?? Prompts[0]], IsOptional: false),
            new(Array.Find(Contexts, names.Contains) is { } context ? [context] : Contexts, IsOptional: true),
            new(Array.Find(Responses, names.Contains) is { } response ? [response] : responseIsOptional ? Responses : [Responses[0]], responseIsOptional),
            system is null ? null : new([system], IsOptional: true));
    }
}
