using AsFT.Torch.Chat;
using AsFT.Torch.Models;
using AsFT.Torch.Training;

namespace AsFT.Torch.Tests.Training;

public sealed class RowSieveTests
{
    private const int Limit = 6;

    // A token a letter, the answer's supervised; cut at the limit.
    private static TokenizedExample Letters(ChatExample row)
    {
        var (prompt, all) = (row.Prompt.Length, row.Prompt.Length + row.Response!.Length);
        var count = Math.Min(all, Limit);
        return new([.. Enumerable.Range(1, count)], [.. Enumerable.Range(0, count).Select(i => i >= prompt)]) { Truncated = all > Limit };
    }

    private static RowSieve Sieve(out List<TokenizedExample> taken, OverlongRows overlong = OverlongRows.Truncate, bool isStrict = false)
    {
        ChatExample[] rows = [new("ask", "yes"), new("ask", " "), new("ask"), new("ask", "a long answer"), new("a long question", "yes"), new("ask", "no, too long")];
        var sieve = new RowSieve(overlong, isStrict, "the data");
        taken = [];
        foreach (var row in rows)
            if (sieve.Take(row, Letters) is { } example) taken.Add(example);
        return sieve;
    }

    [Fact]
    public void Rows_are_counted_by_what_became_of_them()
    {
        var counts = Sieve(out var taken).Counts;
        Assert.Equal(new RowCounts { Read = 6, Used = 3, Truncated = 2, FirstTruncated = 4, Overlong = 1, FirstOverlong = 5, Empty = 2, FirstEmpty = 2 }, counts);
        Assert.Equal((3, 3, false), (taken.Count, counts.Skipped, counts.IsWhole));
        Assert.Equal("3 of 6 rows used; 2 cut at the maximum length, without their ending (the first is row 4); 1 left out for their length (the first is row 5); 2 left out without an answer (the first is row 2)", counts.ToString());
    }

    [Fact]
    public void Long_rows_are_dropped_or_refused_and_useless_rows_refused_where_that_is_asked_for()
    {
        var counts = Sieve(out _, OverlongRows.Drop).Counts;
        Assert.Equal((1, 0, 3, 4), (counts.Used, counts.Truncated, counts.Overlong, counts.FirstOverlong));
        Assert.Contains("Row 4 of the data has more than 6 tokens", Assert.Throws<InvalidDataException>(() => Sieve(out _, OverlongRows.Refuse)).Message);
        Assert.Contains("Row 2 of the data has nothing to learn: its answer is empty", Assert.Throws<InvalidDataException>(() => Sieve(out _, isStrict: true)).Message);
        var strict = new RowSieve(OverlongRows.Truncate, isStrict: true, "the data");
        Assert.Contains("its prompt alone fills 6 tokens", Assert.Throws<InvalidDataException>(() => strict.Take(new("a long question", "yes"), Letters)).Message);
    }

    [Fact]
    public void Nothing_left_is_an_error_that_tells_why()
    {
        var sieve = new RowSieve(OverlongRows.Truncate, isStrict: false, "the data");
        Assert.Contains("no rows in the data", Assert.Throws<InvalidDataException>(sieve.RequireAny).Message);
        sieve.Take(new("ask", ""), Letters);
        Assert.Contains("1 left out without an answer", Assert.Throws<InvalidDataException>(sieve.RequireAny).Message);
    }

    [Fact]
    public void Training_all_weights_counts_cut_examples_as_well()
    {
        using var model = CausalLanguageModel.Create(SmallRun.Config, SmallRun.Placement, seed: 1);
        TokenizedExample[] examples = [new([1, 2, 3], [false, true, true]), new([1, 2], [false, true]) { Truncated = true }];
        var rows = new FullParameterTrainer(model, new() { Epochs = 1, LearningRate = 1e-3 }).Train(examples).Rows!;
        Assert.Equal((2, 1, 2), (rows.Used, rows.Truncated, rows.FirstTruncated));
    }
}
