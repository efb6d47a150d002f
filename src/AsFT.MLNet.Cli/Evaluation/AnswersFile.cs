using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using AsFT.Torch.Chat;
using AsFT.Torch.Runtime;
using AsFT.Torch.Safety.Evaluation;

namespace AsFT.MLNet.Cli.Evaluation;

/// <summary>
/// Answers that were generated before: JSON or JSONL rows of <c>prompt</c>, <c>response</c> and, where the prompt has them,
/// <c>context</c>, <c>system</c> and <c>messages</c> (a conversation of more turns). Answers to the same prompt are told apart by their order.
/// </summary>
internal sealed class AnswersFile
{
    private static readonly JsonSerializerOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    private static readonly RowFields Fields = new(new(["prompt"], IsOptional: false), new(["context"], IsOptional: true), new(["response"], IsOptional: false), new(["system"], IsOptional: true), "messages");

    private readonly string _path;

    public AnswersFile(string path)
    {
        _path = path;
        if (!File.Exists(path)) throw new FileNotFoundException($"There is no file of answers '{path}'.", path);
        var prompts = new List<ChatExample>();
        using var reader = new RowReader(path, Fields);
        while (reader.MoveNext())
        {
            var row = reader.Row.Example ?? throw reader.Error(reader.Row.Unusable!);
            prompts.Add(row with { Response = reader.Response });
        }
        if (prompts.Count == 0) throw new InvalidDataException($"'{path}' holds no records.");
        if (prompts.All(row => string.IsNullOrWhiteSpace(row.Response)))
            throw new InvalidDataException($"'{path}' holds no answer at all: the field response is empty in all {prompts.Count} rows.");
        Prompts = prompts;
    }

    /// <summary>All prompts of the file with their answers, in its order.</summary>
    public IReadOnlyList<ChatExample> Prompts { get; }

    /// <summary>The answers to given prompts.</summary>
    /// <exception cref="InvalidDataException">A prompt has none, or different ones of which it cannot be told which is meant.</exception>
    public EvaluationAnswers Answer(SafetyPrompts prompts)
    {
        var asked = All(prompts);
        // Where one side does not tell system messages, they tell nothing apart.
        var bySystem = Prompts.Any(HasSystem) && asked.Any(HasSystem);
        (string, string, string, string) Key(ChatExample prompt) => (prompt.Prompt, prompt.Context ?? "", bySystem ? prompt.System ?? "" : "", Turns(prompt) ?? "");

        var responses = Prompts.ToLookup(Key, row => row.Response!);
        var queues = new Dictionary<(string, string, string, string), Queue<string>>();
        foreach (var same in asked.GroupBy(Key))
        {
            string[] found = [.. responses[same.Key]];
            var (prompt, count) = (same.First().Prompt, same.Count());
            if (found.Length == 0) throw new InvalidDataException($"'{_path}' has no response to the prompt '{prompt}'.");
            if (found.Length == count) queues[same.Key] = new(found);
            else if (found.Distinct().Count() == 1) queues[same.Key] = new(Enumerable.Repeat(found[0], count));
            else throw new InvalidDataException($"'{_path}' has {found.Length} responses, and not the same ones, to the prompt '{prompt}', which is asked {(count == 1 ? "once" : $"{count} times")}.");
        }
        return EvaluationAnswers.Of(prompts, list => [.. list.Select(prompt => queues[Key(prompt)].Dequeue())]);
    }

    /// <summary>All prompts, in the order in which a file of answers has them.</summary>
    public static ChatExample[] All(SafetyPrompts prompts) => [.. prompts.Harmful, .. prompts.Benign, .. prompts.Task];

    /// <summary>Writes answers, so that a later evaluation can take them or be compared with them.</summary>
    public static void Write(string path, SafetyPrompts prompts, EvaluationAnswers answers) =>
        AtomicOutput.WriteFile(path, partial => File.WriteAllLines(partial, All(prompts).Zip([.. answers.Harmful, .. answers.Benign, .. answers.Task], Line)));

    /// <summary>One answer as a line of such a file.</summary>
    public static string Line(ChatExample prompt, string response) =>
        JsonSerializer.Serialize(new { prompt = prompt.Prompt, context = prompt.Context ?? "", system = HasSystem(prompt) ? prompt.System : null, messages = Turns(prompt) is { } turns ? JsonNode.Parse(turns) : null, response }, Readable);

    /// <summary>Whether a file begins as <see cref="Line"/> does.</summary>
    public static bool IsOne(string path)
    {
        try
        {
            using var first = JsonDocument.Parse(File.ReadLines(path).FirstOrDefault() ?? "null");
            return first.RootElement.ValueKind == JsonValueKind.Object && first.RootElement.TryGetProperty("prompt", out _) && first.RootElement.TryGetProperty("response", out _);
        }
        catch (JsonException)
        {
            return false;
        }
    }

    // A prompt of one turn is told by its text.
    private static string? Turns(ChatExample prompt) => prompt.HasMoreTurns ? Conversation.Write(prompt with { Response = null, System = null }) : null;

    private static bool HasSystem(ChatExample prompt) => !string.IsNullOrEmpty(prompt.System);
}
