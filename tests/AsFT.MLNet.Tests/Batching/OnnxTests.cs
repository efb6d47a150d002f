using Microsoft.ML;

namespace AsFT.MLNet.Tests.Batching;

public sealed class OnnxTests(TrainedFixture trained) : IClassFixture<TrainedFixture>
{
    private readonly MLContext _context = trained.Context;

    private Exception Refused(ITransformer model, IDataView rows)
    {
        using var graph = new MemoryStream();
        var error = Assert.ThrowsAny<Exception>(() => _context.Model.ConvertToOnnx(model, rows, graph));
        Assert.Equal(0, graph.Length);
        return error;
    }

    [Fact]
    public void A_pipeline_with_ours_is_refused_as_one_with_a_custom_mapping_is()
    {
        var rows = Pipelines.Rows(_context);
        var custom = _context.Transforms.CustomMapping<Example, Answer>((source, target) => target.GeneratedText = source.Prompt, contractName: null).Fit(rows);
        var expected = Refused(custom, rows);
        var tuned = Refused(trained.Transformer, rows);
        Assert.Equal((expected.GetType(), expected.Message), (tuned.GetType(), tuned.Message));
        var scoring = _context.Transforms.ScoreHarmfulness(new RefusalMatchOptions(), responseColumnName: "Response").Fit(rows);
        Assert.Equal(expected.Message, Refused(scoring, rows).Message);
        // Behind and before transforms that ML.NET can write.
        var chain = _context.Transforms.CopyColumns("Question", "Prompt").Append(_context.Transforms.ScoreHarmfulness(new RefusalMatchOptions(), responseColumnName: "Response"))
            .Append(_context.Transforms.CopyColumns("Copy", "HarmfulScore")).Fit(rows);
        Assert.Equal(expected.GetType(), Refused(chain, rows).GetType());
    }

    private sealed class Answer
    {
        public string GeneratedText { get; set; } = "";
    }
}
