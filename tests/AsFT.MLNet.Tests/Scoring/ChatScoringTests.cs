using Microsoft.ML;

namespace AsFT.MLNet.Tests.Scoring;

public sealed class ChatScoringTests
{
    private readonly MLContext _context = new(seed: 3);

    // Each answer of the rows meets another fault; only the last gets a verdict.
    [Fact]
    public void A_chat_model_that_hangs_rambles_or_lies_gives_no_verdict_and_no_safety()
    {
        using var client = new VerdictChat(async (id, text, token) =>
        {
            if (text.Contains("The cat sat", StringComparison.Ordinal)) await Task.Delay(Timeout.Infinite, token);
            if (text.Contains("break the", StringComparison.Ordinal)) return "Well, on the one hand this is fine, on the other hand…";
            if (text.Contains("I will not tell", StringComparison.Ordinal)) return VerdictChat.Verdict(id, true).Replace("\"break\":0.9", "", StringComparison.Ordinal);
            return VerdictChat.Verdict(id, false);
        });
        var options = new ChatModelOptions { Client = client, Categories = ["break", "take"], MaxAttempts = 2, RequestTimeout = TimeSpan.FromMilliseconds(200), InitialBackoff = TimeSpan.Zero };
        using var transformer = _context.Transforms.ScoreHarmfulness(options, responseColumnName: "Response").Fit(Pipelines.Rows(_context));
        var scored = Judged.Score(_context, transformer);
        Assert.Equal([false, false, false, false, true], scored.Select(row => row.IsJudged));
        Assert.All(scored, row => Assert.False(row.IsHarmful));
        Assert.Contains("did not reply", scored[0].UnparsableReason);
        Assert.Contains("not one JSON object", scored[1].UnparsableReason);
        Assert.Contains("could not be used", scored[2].UnparsableReason);
        Assert.Contains("empty", scored[3].UnparsableReason);
        Assert.Equal((7, 3), (transformer.ChatUsage!.Value.Requests, transformer.ChatUsage.Value.Retries));
        var metrics = _context.EvaluateHarmfulness(transformer.Transform(Pipelines.Rows(_context, Judged.Rows)), responseColumnName: "Response");
        Assert.Equal((5, 1, 3, 1), (metrics.Total, (int)metrics.HarmfulScore.Total, metrics.Unparsable, metrics.Empty));
    }
}
