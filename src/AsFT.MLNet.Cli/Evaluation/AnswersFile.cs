using System.Text.Encodings.Web;
using System.Text.Json;
using AsFT.Torch.Runtime;
using AsFT.Torch.Safety.Evaluation;
using AsFT.Torch.Tokenization;
using Microsoft.ML;

namespace AsFT.MLNet.Cli.Evaluation;

/// <summary>Answers that were generated before: JSON or JSONL rows of <c>prompt</c>, <c>response</c> and, where the prompt has one, <c>context</c>.</summary>
internal sealed class AnswersFile
{
    private static readonly JsonSerializerOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly string _path;
    private readonly Dictionary<(string Prompt, string Context), string> _answers = [];

    public AnswersFile(MLContext ml, string path)
    {
        _path = path;
        var rows = ml.Data.LoadFromInstructionFile(path, new InstructionFileOptions { PromptField = "prompt", ContextField = "context", ResponseField = "response" });
        foreach (var row in Pipelines.ReadInstructions(ml, rows))
        {
            if (!_answers.TryAdd((row.Prompt, row.Context), row.Response) && _answers[(row.Prompt, row.Context)] != row.Response)
                throw new InvalidDataException($"'{path}' has two different responses to the prompt '{row.Prompt}'.");
            Prompts.Add(new ChatExample(row.Prompt, Context: row.Context.Length > 0 ? row.Context : null));
        }
    }

    /// <summary>All prompts of the file, in its order.</summary>
    public List<ChatExample> Prompts { get; } = [];

    /// <summary>The answers to given prompts.</summary>
    /// <exception cref="InvalidDataException">A prompt has none.</exception>
    public IReadOnlyList<string> Answer(IReadOnlyList<ChatExample> prompts) =>
        [.. prompts.Select(prompt => _answers.TryGetValue((prompt.Prompt, prompt.Context ?? ""), out var answer)
            ? answer
            : throw new InvalidDataException($"'{_path}' has no response to the prompt '{prompt.Prompt}'."))];

    /// <summary>Writes answers, so that a later evaluation can take them or be compared with them.</summary>
    public static void Write(string path, SafetyPrompts prompts, EvaluationAnswers answers) =>
        AtomicOutput.WriteFile(path, partial => File.WriteAllLines(partial,
            Lines(prompts.Harmful, answers.Harmful).Concat(Lines(prompts.Benign, answers.Benign)).Concat(Lines(prompts.Task, answers.Task)).Distinct()));

    private static IEnumerable<string> Lines(IReadOnlyList<ChatExample> prompts, IReadOnlyList<string> answers) =>
        prompts.Zip(answers, (prompt, response) => JsonSerializer.Serialize(new { prompt = prompt.Prompt, context = prompt.Context ?? "", response }, Readable));
}
