using AsFT.MLNet.Batching;
using AsFT.Torch.Chat;
using AsFT.Torch.Training;
using Microsoft.ML;

namespace AsFT.MLNet.FineTuning;

/// <summary>Rows that were read and tokenised.</summary>
/// <param name="Examples">Those that are trained on.</param>
/// <param name="Counts">What became of all of them.</param>
internal sealed record TrainingRows(List<TokenizedExample> Examples, RowCounts Counts)
{
    /// <summary>Tokenises every row, in order; leaves out what cannot be trained on, as the options say.</summary>
    /// <param name="data">The rows.</param>
    /// <param name="what">What the rows are, for messages: <c>the training data</c>, or a file.</param>
    /// <param name="options">Names of the columns, and what is done with rows that are too long or empty.</param>
    /// <param name="tokenize">Tokens of one example, cut at the greatest length.</param>
    /// <param name="checkAlive">Throws when the run was told to stop.</param>
    /// <param name="isTraining">Whether a system or context column that is named must be there.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or is no text.</exception>
    /// <exception cref="InvalidDataException">There are no rows, none can be trained on, or the options refuse one; names it.</exception>
    public static TrainingRows Read(IDataView data, string what, AsftFineTuneOptions options, Func<ChatExample, TokenizedExample> tokenize, Action checkAlive, bool isTraining)
    {
        var columns = PromptColumns.Find(data.Schema, options, isTraining);
        DataViewSchema.Column? response = columns.Messages is null ? TextColumns.Find(data.Schema, options.ResponseColumnName, "response") : null;
        using var cursor = data.GetRowCursor([.. columns.All, .. new[] { response }.OfType<DataViewSchema.Column>()]);
        var read = columns.Reader(cursor, what);
        var readResponse = response is { } column ? TextColumns.Reader(cursor, column) : null;
        var sieve = new RowSieve(options.Overlong, options.StrictRows, what) { SystemPlace = columns.SystemPlace };
        List<TokenizedExample> examples = [];
        while (cursor.MoveNext())
        {
            checkAlive();
            var row = read();
            if (row.Example is { } whole) row = new(whole with { Response = readResponse is null ? whole.Response : readResponse(), Supervised = options.SupervisedTurns });
            if (sieve.TakeRow(row, tokenize) is { } example) examples.Add(example);
        }
        sieve.RequireAny();
        return new(examples, sieve.Counts);
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
}
