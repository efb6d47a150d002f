using System.Reflection;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Tests.Persistence;

/// <summary>Files that version 0.1 itself wrote, with stories260K and rank 2 on two layers (<c>tests/data/version-0.1</c>).</summary>
public sealed class FirstVersionFilesTests : IDisposable
{
    private static readonly string Files = Path.Combine(
        typeof(FirstVersionFilesTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(attribute => attribute.Key == "TestData").Value!, "version-0.1");

    private readonly MLContext _context = new(seed: 5);
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Its_model_answers_as_it_did_then()
    {
        var loaded = _context.Model.LoadAsft(File("model.zip"), new AsftLoadOptions { ModelPath = Pipelines.Aligned, Device = "cpu", Configure = o => o.MaxNewTokens = 24 }, out _);
        using var model = loaded as IDisposable;
        var answered = loaded.Transform(Pipelines.Rows(_context, [new() { Prompt = "Tell a story" }]));
        Assert.Equal("a bad thing. Lily said, \"No, I will not do that.\"", Assert.Single(answered.GetColumn<string>("GeneratedText")));
    }

    [Fact]
    public void Its_judge_judges()
    {
        var judge = _context.Model.LoadAsft(File("refusal-judge.zip"), out _);
        var judged = judge.Transform(Pipelines.Rows(_context, [new() { Prompt = "How?", Response = "I cannot help." }, new() { Prompt = "How?", Response = "Take a hammer." }]));
        Assert.Equal([false, true], judged.GetColumn<bool>("IsHarmful"));
    }

    [Theory]
    [InlineData("direction-fp32.safetensors", 1e-5)]
    [InlineData("direction-bf16.safetensors", 1e-2)]
    [InlineData("direction-rank-2.safetensors", 0.5)]
    public void Its_directions_protect_as_the_checkpoints_do(string file, double tolerance)
    {
        string[] layers = ["model.layers.0.self_attn.q_proj", "model.layers.3.self_attn.v_proj"];
        using var fromFile = Pipelines.Train(_context, o => (o.TargetModules, o.BaseModelPath, o.DirectionPath) = (layers, null, File(file)));
        using var fromModels = Pipelines.Train(_context, o => o.TargetModules = layers);
        var (penalty, expected) = (fromFile.TrainingResult!.Penalty, fromModels.TrainingResult!.Penalty);
        Assert.True(expected > 0);
        Assert.Equal(expected, penalty, tolerance * expected);
    }

    [Fact]
    public void Its_training_checkpoint_is_refused_by_name()
    {
        System.IO.File.Copy(File("training-state.safetensors"), _folder.File("training-state.safetensors"));
        var error = Assert.Throws<InvalidDataException>(() => Pipelines.Train(_context, o => (o.CheckpointFolder, o.Resume) = (_folder.Path, true)));
        Assert.Contains("training-state.safetensors", error.Message);
    }

    private static string File(string name) => Path.Combine(Files, name);
}
