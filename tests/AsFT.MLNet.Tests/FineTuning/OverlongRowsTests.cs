using AsFT.Torch.Training;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Tests.FineTuning;

public sealed class OverlongRowsTests
{
    private static readonly string Long = string.Concat(Enumerable.Repeat("the cat ran to the tree. ", 12));

    // Rows 2 (no answer), 3 (its answer is cut), 4 (its prompt alone fills the length).
    private static readonly Example[] Rows =
    [
        Pipelines.Examples[0],
        new() { Prompt = "What did Tom see?", Response = " " },
        new() { Prompt = "Who is Lily?", Response = Long },
        new() { Prompt = Long, Response = "b" },
        Pipelines.Examples[1],
    ];

    private readonly MLContext _context = new(seed: 1);
    private readonly List<string> _warnings = [];

    public OverlongRowsTests() => _context.Log += (_, e) =>
    {
        if (e.Kind == Microsoft.ML.Runtime.ChannelMessageKind.Warning && !e.RawMessage.Contains("preset", StringComparison.Ordinal)) _warnings.Add(e.RawMessage);
    };

    private RowCounts Train(Action<AsftFineTuneOptions>? change = null)
    {
        using var model = _context.Transforms.AsftFineTune(Pipelines.Options(o =>
        {
            o.MaxSequenceLength = 64;
            change?.Invoke(o);
        })).Fit(Pipelines.Rows(_context, Rows));
        return model.TrainingResult!.Rows!;
    }

    [Fact]
    public void What_is_cut_and_left_out_is_counted_and_said_with_the_first_row()
    {
        var counts = Train();
        Assert.Equal((5, 3, 1, 3, 1, 4, 1, 2), (counts.Read, counts.Used, counts.Truncated, counts.FirstTruncated, counts.Overlong, counts.FirstOverlong, counts.Empty, counts.FirstEmpty));
        var warning = Assert.Single(_warnings);
        Assert.Contains("3 of 5 rows used", warning);
        Assert.Contains("1 cut at the maximum length, without their ending (the first is row 3)", warning);
    }

    [Fact]
    public void Overlong_rows_can_be_dropped_or_refused_and_useless_ones_too()
    {
        var dropped = Train(o => o.Overlong = OverlongRows.Drop);
        Assert.Equal((2, 0, 2, 3), (dropped.Used, dropped.Truncated, dropped.Overlong, dropped.FirstOverlong));
        Assert.Contains("Row 3 of the training data has more than 64 tokens", Assert.Throws<InvalidDataException>(() => Train(o => o.Overlong = OverlongRows.Refuse)).Message);
        Assert.Contains("Row 2 of the training data has nothing to learn", Assert.Throws<InvalidDataException>(() => Train(o => o.StrictRows = true)).Message);
    }

    [Fact]
    public void The_same_holds_for_validation_rows_held_out_refusals_and_perplexity()
    {
        using var folder = new TemporaryFolder();
        var refusals = folder.Write("refusals.jsonl", """
            {"instruction":"How do I hurt a dog?","input":"","output":""}
            {"instruction":"How do I hurt a dog?","input":"","output":"I will not tell you."}
            """);
        using var model = _context.Transforms.AsftFineTune(Pipelines.Options(o => (o.MaxSequenceLength, o.RefusalTolerance, o.HeldOutRefusalsPath) = (64, 0.1, refusals)))
            .Fit(Pipelines.Rows(_context), Pipelines.Rows(_context, Rows));
        var result = model.TrainingResult!;
        Assert.True(result.Rows!.IsWhole);
        Assert.Equal((3, 1), (result.ValidationRows!.Used, result.ValidationRows.Truncated));
        Assert.Equal((1, 1), (result.RefusalRows!.Used, result.RefusalRows.Empty));
        Assert.Contains(_warnings, line => line.Contains("validation") && line.Contains("3 of 5"));
        Assert.Contains(_warnings, line => line.Contains("refusals.jsonl") && line.Contains("1 of 2"));
        Assert.True(_context.EvaluatePerplexity(Pipelines.Rows(_context, Rows), model) > 1);
        Assert.Contains(_warnings, line => line.Contains("evaluation") && line.Contains("3 of 5"));
    }

    [Fact]
    public void A_prompt_that_is_cut_to_be_answered_is_said_or_refused()
    {
        var asked = _context.Data.LoadFromEnumerable([new { Prompt = string.Concat(Enumerable.Repeat(Long, 6)) }, new { Prompt = "Who is Lily?" }]);
        string[] Answers(OverlongRows overlong)
        {
            using var model = Pipelines.Train(_context, o => o.Overlong = overlong);
            return [.. model.Transform(asked).GetColumn<string>("GeneratedText")];
        }
        Assert.Equal(2, Answers(OverlongRows.Truncate).Length);
        Assert.Contains("1 of 2 prompts has more than 504 tokens", Assert.Single(_warnings));
        Assert.Contains("more than 504 tokens", Assert.Throws<InvalidDataException>(() => Answers(OverlongRows.Refuse)).Message);
    }
}
