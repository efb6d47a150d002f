using AsFT.Torch.Chat;

namespace AsFT.Torch.Training;

/// <summary>Decides row by row what can be trained on, and counts what is cut and left out, so that it can be said.</summary>
/// <param name="overlong">What is done with rows that are too long.</param>
/// <param name="isStrict">Whether a row that has nothing to learn is an error instead of being left out.</param>
/// <param name="source">What the rows are, for messages: <c>the training data</c>, or a file.</param>
internal sealed class RowSieve(OverlongRows overlong, bool isStrict, string source)
{
    /// <summary>What became of the rows so far.</summary>
    public RowCounts Counts { get; private set; } = new();

    /// <summary>The column or field of system messages, told where a template refuses one.</summary>
    internal string? SystemPlace { get; init; }

    /// <summary>The tokens of a row that may be no conversation; null where it is left out.</summary>
    /// <param name="row">The row.</param>
    /// <param name="tokenize">Makes tokens, cut at the greatest length.</param>
    /// <exception cref="InvalidDataException">The row has nothing to learn, is too long, or the template does not take it; names it.</exception>
    internal TokenizedExample? TakeRow(ConversationRow row, Func<ChatExample, TokenizedExample> tokenize)
    {
        if (row.Example is { } example) return Take(example, tokenize);
        var number = Counts.Read + 1;
        if (isStrict) throw Nothing(number, row.Unusable!);
        Counts = Counts with { Read = number, Unusable = Counts.Unusable + 1, FirstUnusable = Counts.FirstUnusable ?? number, WhyUnusable = Counts.WhyUnusable ?? row.Unusable };
        return null;
    }

    /// <summary>The tokens of a row; null where it is left out.</summary>
    /// <param name="row">The row, with an answer or without.</param>
    /// <param name="tokenize">Makes tokens, cut at the greatest length.</param>
    /// <exception cref="InvalidDataException">The row has nothing to learn, or is too long, and the options refuse that; or the template does not take it. Names it.</exception>
    public TokenizedExample? Take(ChatExample row, Func<ChatExample, TokenizedExample> tokenize)
    {
        ArgumentNullException.ThrowIfNull(row);
        ArgumentNullException.ThrowIfNull(tokenize);
        if (IsEmpty(row.Response)) return null;
        TokenizedExample example;
        try
        {
            example = tokenize(row);
        }
        catch (RefusedConversationException e)
        {
            throw e.At($"Row {Counts.Read + 1} of {source}", SystemPlace);
        }
        return IsTaken(example.Truncated, TrainingBatch.SupervisedCount(example) > 0, example.Ids.Length) ? example : null;
    }

    /// <summary>Whether an answer is empty; such a row is counted, and refused where that is asked for.</summary>
    /// <param name="answer">The answer, or null.</param>
    /// <param name="number">Number of the row where rows do not come in their order; null: they do.</param>
    /// <exception cref="InvalidDataException">It is empty, and the sieve is strict.</exception>
    internal bool IsEmpty(string? answer, int? number = null)
    {
        if (!string.IsNullOrWhiteSpace(answer)) return false;
        var row = number ?? Counts.Read + 1;
        if (isStrict) throw Nothing(row, "its answer is empty");
        Counts = Counts with { Read = Counts.Read + 1, Empty = Counts.Empty + 1, FirstEmpty = First(Counts.FirstEmpty, row) };
        return true;
    }

    /// <summary>Whether a row is trained on.</summary>
    /// <param name="isCut">Whether tokens were cut off.</param>
    /// <param name="hasAnswer">Whether anything of the answer is left.</param>
    /// <param name="length">Tokens it has now.</param>
    /// <param name="number">Number of the row where rows do not come in their order; null: they do.</param>
    /// <exception cref="InvalidDataException">It is refused.</exception>
    internal bool IsTaken(bool isCut, bool hasAnswer, int length, int? number = null)
    {
        var row = number ?? Counts.Read + 1;
        if (isCut && overlong == OverlongRows.Refuse)
            throw new InvalidDataException($"Row {row} of {source} has more than {length} tokens, the most there may be. Raise the maximum length, shorten the row, or let overlong rows be cut or dropped.");
        if (!hasAnswer && isStrict) throw Nothing(row, $"its prompt alone fills {length} tokens, the most there may be, and the answer was cut off; raise the maximum length");
        if (!hasAnswer || isCut && overlong == OverlongRows.Drop)
        {
            Counts = Counts with { Read = Counts.Read + 1, Overlong = Counts.Overlong + 1, FirstOverlong = First(Counts.FirstOverlong, row) };
            return false;
        }
        Counts = Counts with { Read = Counts.Read + 1, Used = Counts.Used + 1, Truncated = Counts.Truncated + (isCut ? 1 : 0), FirstTruncated = isCut ? First(Counts.FirstTruncated, row) : Counts.FirstTruncated };
        return true;
    }

    /// <summary>Makes sure that something is left to train on.</summary>
    /// <exception cref="InvalidDataException">There are no rows, or none can be used; tells why.</exception>
    public void RequireAny()
    {
        if (Counts.Read == 0) throw new InvalidDataException($"There are no rows in {source}.");
        if (Counts.Used == 0) throw new InvalidDataException($"No row of {source} can be trained on: {Counts}.");
    }

    private static int First(int? known, int row) => Math.Min(known ?? row, row);

    private InvalidDataException Nothing(int row, string why) => new($"Row {row} of {source} has nothing to learn: {why}. Mend it, or leave the row out.");
}
