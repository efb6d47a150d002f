using AsFT.MLNet.Batching;
using AsFT.Torch.Tokenization;
using Microsoft.ML;

namespace AsFT.MLNet.FineTuning;

/// <summary>Reads training rows and turns them into tokens.</summary>
internal static class TrainingRows
{
    /// <summary>Tokenises every row, in order.</summary>
    /// <param name="data">The rows.</param>
    /// <param name="what">What the rows are, for messages: <c>training</c>, <c>validation</c>, or a file.</param>
    /// <param name="options">Names of the columns.</param>
    /// <param name="tokenize">Tokens of one example.</param>
    /// <param name="checkAlive">Throws when the run was told to stop.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or is no text.</exception>
    /// <exception cref="InvalidDataException">There are no rows, or a row has nothing to learn; names it.</exception>
    public static List<TokenizedExample> Read(IDataView data, string what, AsftFineTuneOptions options, Func<ChatExample, TokenizedExample> tokenize, Action checkAlive)
    {
        var prompt = TextColumns.Find(data.Schema, options.PromptColumnName, "prompt");
        var response = TextColumns.Find(data.Schema, options.ResponseColumnName, "response");
        DataViewSchema.Column? system = options.SystemColumnName is { } s ? TextColumns.Find(data.Schema, s, "system") : null;
        DataViewSchema.Column? context = options.ContextColumnName is { } c ? TextColumns.Find(data.Schema, c, "context") : null;
        DataViewSchema.Column[] columns = [prompt, response, .. new[] { system, context }.OfType<DataViewSchema.Column>()];

        using var cursor = data.GetRowCursor(columns);
        var readPrompt = TextColumns.Reader(cursor, prompt);
        var readResponse = TextColumns.Reader(cursor, response);
        var readSystem = system is { } systemColumn ? TextColumns.Reader(cursor, systemColumn) : () => "";
        var readContext = context is { } contextColumn ? TextColumns.Reader(cursor, contextColumn) : () => "";
        List<TokenizedExample> examples = [];
        while (cursor.MoveNext())
        {
            checkAlive();
            var row = examples.Count + 1;
            var answer = readResponse();
            if (string.IsNullOrWhiteSpace(answer))
                throw new InvalidDataException($"Row {row} of the {what} data has nothing to learn: its column '{response.Name}' is empty.");
            var example = tokenize(new ChatExample(readPrompt(), answer, NullIfEmpty(readSystem()), NullIfEmpty(readContext())));
            // A token is predicted from those before it, so the first one never counts.
            if (!example.Supervised.Skip(1).Any(isSupervised => isSupervised))
                throw new InvalidDataException($"Row {row} of the {what} data has nothing to learn: its prompt alone fills {example.Ids.Length} tokens, the most there may be, and the answer was cut off. Raise {nameof(options.MaxSequenceLength)}, or leave the row out.");
            examples.Add(example);
        }
        if (examples.Count == 0) throw new InvalidDataException($"There are no {what} rows.");
        return examples;
    }

    /// <summary>Takes a share of the examples out, drawn with a seed.</summary>
    public static (List<TokenizedExample> Train, List<TokenizedExample>? Validation) Split(List<TokenizedExample> examples, double fraction, long seed)
    {
        if (fraction == 0) return (examples, null);
        var count = Math.Max(1, (int)Math.Round(fraction * examples.Count));
        if (count >= examples.Count)
            throw new InvalidDataException($"ValidationFraction {fraction} of {examples.Count} rows leaves none to train on.");
        var order = Enumerable.Range(0, examples.Count).ToArray();
        new Random(unchecked((int)(seed ^ (seed >> 32)))).Shuffle(order);
        var held = order.Take(count).ToHashSet();
        return ([.. examples.Where((_, i) => !held.Contains(i))], [.. examples.Where((_, i) => held.Contains(i))]);
    }

    /// <summary>An empty text counts as none, as it does for the template.</summary>
    public static string? NullIfEmpty(string? text) => string.IsNullOrEmpty(text) ? null : text;
}
