using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using AsFT.Torch.Input;

namespace AsFT.Torch.Chat;

/// <summary>A conversation of a data set: turns to learn from or to answer, or why it is neither.</summary>
/// <param name="Example">The conversation; null: it cannot be used.</param>
/// <param name="Unusable">Why not.</param>
internal readonly record struct ConversationRow(ChatExample? Example, string? Unusable = null);

/// <summary>
/// Conversations in JSON: a list of turns with <c>role</c> and <c>content</c> (OpenAI, TRL), or with <c>from</c> and <c>value</c> (ShareGPT); alone, or in an
/// object under <c>messages</c>, <c>conversations</c>, or as TRL's <c>prompt</c> and <c>completion</c>.
/// </summary>
internal static class Conversation
{
    private const string Wanted = "a list of turns is wanted, [{\"role\": \"user\", \"content\": \"…\"}, …], or ShareGPT's from and value";
    private static readonly string[] Lists = ["messages", "conversations"];

    // Turns of tools, which is no text that a model of this kind learns to write.
    private static readonly string[] ToolRoles = ["tool", "tool_call", "tool_calls", "tool_response", "function", "function_call", "observation", "ipython"];

    private static readonly Dictionary<string, string> Roles = new(StringComparer.Ordinal)
    {
        [ChatMessage.SystemRole] = ChatMessage.SystemRole,
        [ChatMessage.UserRole] = ChatMessage.UserRole,
        ["human"] = ChatMessage.UserRole,
        [ChatMessage.AssistantRole] = ChatMessage.AssistantRole,
        ["gpt"] = ChatMessage.AssistantRole,
    };

    // What a turn may carry beside its text, and what would be lost with it.
    private static readonly (string Field, string Means)[] Carried =
    [
        ("tool_calls", "calls tools"), ("function_call", "calls a function"), ("reasoning_content", "has its reasoning in a field of its own (write it into the content, as the template wants it)"),
        ("thinking", "has its reasoning in a field of its own (write it into the content, as the template wants it)"), ("images", "has images"), ("audio", "has sound"),
    ];

    /// <summary>Whether a field of a record holds a conversation, or the beginning of one.</summary>
    /// <param name="field">Its name.</param>
    /// <param name="begins">How its value begins.</param>
    public static bool IsOne(string field, JsonTokenType begins) => Lists.Contains(field) || field == "prompt" && begins == JsonTokenType.StartArray;

    /// <summary>Reads a conversation that stands in a text, such as that of a column.</summary>
    /// <param name="json">A list of turns, or a record that holds one; white space alone is an empty conversation.</param>
    /// <param name="place">Where it stands, for errors.</param>
    /// <exception cref="InvalidDataException">It is no conversation; says why.</exception>
    public static ConversationRow Parse(string json, string place)
    {
        if (string.IsNullOrWhiteSpace(json)) return Empty;
        try
        {
            // A half of a surrogate pair, which a text of .NET may hold, is no UTF-8.
            var bytes = Utf8.GetBytes(json);
            JsonInput.RequireWholeTexts(bytes, place);
            using var document = JsonDocument.Parse(bytes, JsonInput.Strict);
            return Read(document.RootElement, problem => new InvalidDataException($"{place}: {problem}."));
        }
        catch (Exception e) when (e is JsonException or EncoderFallbackException)
        {
            throw new InvalidDataException($"{place} is no conversation in JSON ({(e is JsonException json1 ? JsonInput.Reason(json1) : e.Message)}); {Wanted}.", e);
        }
    }

    /// <summary>Reads a list of turns, or a record that holds one.</summary>
    /// <param name="json">The list or record.</param>
    /// <param name="error">Makes an error of what is wrong, told without a full stop.</param>
    /// <exception cref="InvalidDataException">It is no conversation; says why.</exception>
    public static ConversationRow Read(JsonElement json, Func<string, InvalidDataException> error)
    {
        var (turns, system) = json.ValueKind == JsonValueKind.Object ? OfRecord(json, error) : (Turns(json, "the conversation", error), null);
        if (json.ValueKind == JsonValueKind.Object && IsSet(json, "tools")) return new(null, "it offers tools (field 'tools'), whose calls are not learnt");
        var messages = new List<ChatMessage>();
        if (system is not null) messages.Add(new(ChatMessage.SystemRole, system));
        for (var i = 0; i < turns.Count; i++)
        {
            if (Turn(turns[i], i + 1, error, out var unusable) is not { } message) return new(null, unusable);
            if (system is not null && i == 0 && message.Role == ChatMessage.SystemRole) throw error("there is a field 'system' beside a first turn of the system; one of them is wanted");
            messages.Add(message);
        }
        return Of(messages);
    }

    /// <summary>A conversation of turns: what the last user says is the prompt, and an answer at the end the response.</summary>
    public static ConversationRow Of(IReadOnlyList<ChatMessage> messages)
    {
        if (messages.Count == 0) return Empty;
        var user = Enumerable.Range(0, messages.Count).LastOrDefault(i => messages[i].Role == ChatMessage.UserRole, -1);
        if (user < 0) return new(null, "it has no turn of the user");
        var hasSystem = messages[0].Role == ChatMessage.SystemRole;
        var hasAnswer = messages[^1].Role == ChatMessage.AssistantRole;
        return new(new ChatExample(messages[user].Content, hasAnswer ? messages[^1].Content : null, hasSystem ? messages[0].Content : null)
        {
            Earlier = [.. messages.Take(user).Skip(hasSystem ? 1 : 0)],
            Later = [.. messages.Skip(user + 1).SkipLast(hasAnswer ? 1 : 0)],
        });
    }

    /// <summary>A conversation as a list of turns with role and content.</summary>
    public static string Write(ChatExample example) =>
        new JsonArray([.. example.Messages().Select(message => new JsonObject { ["role"] = message.Role, ["content"] = message.Content })]).ToJsonString(Readable);

    private static readonly JsonSerializerOptions Readable = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private static ConversationRow Empty => new(null, "the conversation is empty");

    private static (List<JsonElement> Turns, string? System) OfRecord(JsonElement record, Func<string, InvalidDataException> error)
    {
        var names = Lists.Where(name => IsSet(record, name)).ToList();
        if (names.Count > 1) throw error($"there are both fields {string.Join(" and ", names)}; one conversation is wanted");
        var system = record.TryGetProperty("system", out var text) && text.ValueKind != JsonValueKind.Null
            ? text.ValueKind == JsonValueKind.String ? text.GetString() : throw error($"field 'system' is {JsonInput.Kind(text.ValueKind)}; text is wanted")
            : null;
        if (system?.Length == 0) system = null;
        if (names.Count == 1) return (Turns(record.GetProperty(names[0]), $"field '{names[0]}'", error), system);
        if (Array.Exists(Lists, name => record.TryGetProperty(name, out _))) return ([], system);
        if (!record.TryGetProperty("prompt", out var prompt)) throw error($"the record has no field messages or conversations; {Wanted}");
        return ([.. Turns(prompt, "field 'prompt'", error), .. record.TryGetProperty("completion", out var completion) && completion.ValueKind != JsonValueKind.Null ? Turns(completion, "field 'completion'", error) : []], system);
    }

    private static List<JsonElement> Turns(JsonElement list, string what, Func<string, InvalidDataException> error) => list.ValueKind == JsonValueKind.Array
        ? [.. list.EnumerateArray()]
        : throw error($"{what} is {JsonInput.Kind(list.ValueKind)}; {Wanted}");

    private static ChatMessage? Turn(JsonElement turn, int number, Func<string, InvalidDataException> error, out string? unusable)
    {
        unusable = null;
        if (turn.ValueKind != JsonValueKind.Object) throw error($"turn {number} is {JsonInput.Kind(turn.ValueKind)}; {Wanted}");
        var isShareGpt = !turn.TryGetProperty("role", out var role) && turn.TryGetProperty("from", out role);
        if (role.ValueKind != JsonValueKind.String) throw error($"turn {number} has no text in {(isShareGpt ? "'from'" : "'role' (or 'from')")}, who says it");
        var who = role.GetString()!;
        if (ToolRoles.Contains(who)) unusable = $"turn {number} is one of a tool ('{who}'), which is not learnt";
        else if (!Roles.ContainsKey(who)) throw error($"turn {number} is said by '{Shown(who)}'; known are {string.Join(", ", Roles.Keys)}");
        foreach (var (field, means) in Carried)
            if (unusable is null && IsSet(turn, field)) unusable = $"turn {number} {means}, which is not read (field '{field}')";
        if (unusable is null && turn.TryGetProperty("weight", out var weight) && weight.ValueKind == JsonValueKind.Number && weight.GetDouble() == 0) unusable = $"turn {number} is not to be learnt (weight 0) among others that are";
        if (unusable is not null) return null;
        var content = turn.TryGetProperty(isShareGpt ? "value" : "content", out var text) ? Content(text) : null;
        if (content is null && text.ValueKind == JsonValueKind.Array)
        {
            unusable = $"turn {number} has other parts than text";
            return null;
        }
        return new(Roles[who], content ?? throw error($"turn {number} has no text in '{(isShareGpt ? "value" : "content")}'"));
    }

    // A text, or OpenAI's list of parts, all of them texts.
    private static string? Content(JsonElement content)
    {
        if (content.ValueKind == JsonValueKind.String) return content.GetString();
        if (content.ValueKind != JsonValueKind.Array) return null;
        var text = new StringBuilder();
        foreach (var part in content.EnumerateArray())
        {
            if (part.ValueKind != JsonValueKind.Object || !part.TryGetProperty("text", out var piece) || piece.ValueKind != JsonValueKind.String) return null;
            text.Append(piece.GetString());
        }
        return text.ToString();
    }

    private static bool IsSet(JsonElement element, string field) => element.TryGetProperty(field, out var value) && value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.False => false,
        JsonValueKind.String => value.GetString()!.Length > 0,
        JsonValueKind.Array => value.GetArrayLength() > 0,
        _ => true,
    };

    private static string Shown(string text) => Checkpoints.SafetensorsHeader.Shown(text);
}
