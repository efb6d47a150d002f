namespace AsFT.Torch.Training;

/// <summary>What is done with a row that has more tokens than fit.</summary>
public enum OverlongRows
{
    /// <summary>It is cut from the right: its ending is not learnt. Counted and said.</summary>
    Truncate,

    /// <summary>It is left out. Counted and said.</summary>
    Drop,

    /// <summary>It is an error that names the row.</summary>
    Refuse,
}

/// <summary>What became of the rows of a data set. Numbers of rows count from 1.</summary>
public sealed record RowCounts
{
    /// <summary>Rows read.</summary>
    public int Read { get; init; }

    /// <summary>Rows that are trained on, those that were cut among them.</summary>
    public int Used { get; init; }

    /// <summary>Rows that are trained on without their ending, because they have more tokens than fit.</summary>
    public int Truncated { get; init; }

    /// <summary>The first of these; null without any.</summary>
    public int? FirstTruncated { get; init; }

    /// <summary>Rows left out because they have more tokens than fit (<see cref="OverlongRows.Drop"/>), or because their prompt alone fills the length.</summary>
    public int Overlong { get; init; }

    /// <summary>The first of these; null without any.</summary>
    public int? FirstOverlong { get; init; }

    /// <summary>Rows left out because their answer is empty.</summary>
    public int Empty { get; init; }

    /// <summary>The first of these; null without any.</summary>
    public int? FirstEmpty { get; init; }

    /// <summary>Rows left out because they hold no conversation that can be learnt: an empty one, one without a turn of the user, or with calls of tools.</summary>
    public int Unusable { get; init; }

    /// <summary>The first of these; null without any.</summary>
    public int? FirstUnusable { get; init; }

    /// <summary>Why the first of these is left out.</summary>
    public string? WhyUnusable { get; init; }

    /// <summary>Rows left out because they have no label; a judge's training alone has such.</summary>
    public int Unlabelled { get; init; }

    /// <summary>The first of these; null without any.</summary>
    public int? FirstUnlabelled { get; init; }

    /// <summary>Rows left out, for whatever reason.</summary>
    public int Skipped => Overlong + Empty + Unusable + Unlabelled;

    /// <summary>Whether every row is used as a whole.</summary>
    public bool IsWhole => Truncated == 0 && Skipped == 0;

    /// <summary>The counts of examples that were tokenised elsewhere.</summary>
    /// <param name="examples">The examples, all of them used.</param>
    internal static RowCounts Of(IReadOnlyList<Chat.TokenizedExample> examples)
    {
        var cut = Enumerable.Range(0, examples.Count).Where(i => examples[i].Truncated).ToArray();
        return new() { Read = examples.Count, Used = examples.Count, Truncated = cut.Length, FirstTruncated = cut.Length == 0 ? null : cut[0] + 1 };
    }

    /// <summary>What was cut and left out, in words.</summary>
    public override string ToString()
    {
        List<string> parts = [];
        Add(Truncated, FirstTruncated, "cut at the maximum length, without their ending");
        Add(Overlong, FirstOverlong, "left out for their length");
        Add(Empty, FirstEmpty, "left out without an answer");
        Add(Unusable, FirstUnusable, "left out for what they hold", $": {WhyUnusable}");
        Add(Unlabelled, FirstUnlabelled, "left out without a label");
        return $"{Used} of {Read} rows used{string.Concat(parts.Select(part => "; " + part))}";

        void Add(int count, int? first, string what, string why = "")
        {
            if (count > 0) parts.Add($"{count} {what} (the first is row {first}{why})");
        }
    }
}
