using AsFT.MLNet.FineTuning;
using AsFT.MLNet.Interop;
using AsFT.MLNet.Tests.Scoring;
using Microsoft.ML;
using Microsoft.ML.Data;
using TorchSharp;

namespace AsFT.MLNet.Tests.FineTuning;

public sealed class HostDefaultsTests
{
    [Theory]
    [InlineData("cpu", 0, true, 1, "cpu")]
    [InlineData("cuda:1", 0, false, 2, "cuda:1")]
    [InlineData(null, null, true, 2, "auto")]
    [InlineData(null, null, false, 0, "auto")]
    [InlineData(null, 1, false, 2, "cuda:1")]
    [InlineData(null, 0, true, 1, "cuda:0")]
    [InlineData(null, 0, true, 0, "cpu")]
    [InlineData(null, 2, true, 2, "cpu")]
    public void The_option_decides_then_the_context(string? option, int? gpu, bool fallsBack, int devices, string chosen) =>
        Assert.Equal(chosen, HostDefaults.Device(option, gpu, fallsBack, () => devices));

    [Fact]
    public void A_gpu_that_is_not_there_is_named_where_the_context_does_not_fall_back()
    {
        Assert.Contains("GpuDeviceId is 2, but there are 2 CUDA devices (0 to 1)", Assert.Throws<ArgumentException>(() => HostDefaults.Device(null, 2, false, () => 2)).Message);
        Assert.Contains("GpuDeviceId is -1", Assert.Throws<ArgumentException>(() => HostDefaults.Device(null, -1, false, () => 1)).Message);
    }

    [Fact]
    public void The_context_is_asked_through_catalogs_and_hosts()
    {
        var context = new MLContext(seed: 7) { GpuDeviceId = 3, FallbackToCpu = false };
        var environment = MlNetInternals.Environment(context.Transforms);
        Assert.Equal((3, false), MlNetInternals.Gpu(environment));
        Assert.Equal((7L, 5L), (HostDefaults.Seed(environment, null), HostDefaults.Seed(environment, 5)));
        Assert.Equal(42, HostDefaults.Seed(MlNetInternals.Environment(new MLContext().Transforms), null));
    }

    [Fact]
    public void The_contexts_seed_trains_where_the_options_have_none()
    {
        using var folder = new TemporaryFolder();
        byte[] Adapter(MLContext context, long? seed)
        {
            using var model = Pipelines.Train(context, o => o.Seed = seed);
            var name = folder.File(Guid.NewGuid().ToString("N"));
            model.SaveAdapter(name);
            return File.ReadAllBytes(Path.Combine(name, "adapter_model.safetensors"));
        }
        var ofSeven = Adapter(new MLContext(seed: 7), null);
        Assert.Equal(ofSeven, Adapter(new MLContext(seed: 1), 7));
        Assert.NotEqual(ofSeven, Adapter(new MLContext(seed: 8), null));
        Assert.Equal(Adapter(new MLContext(), null), Adapter(new MLContext(seed: 1), 42));
    }

    [Fact]
    public void A_context_that_insists_on_a_gpu_stops_training_loading_and_judging_without_one()
    {
        if (torch.cuda.is_available()) Assert.Skip("This machine has a GPU.");
        using var folder = new TemporaryFolder();
        var insists = new MLContext(seed: 1) { GpuDeviceId = 0, FallbackToCpu = false };
        Assert.Contains("GpuDeviceId", Assert.Throws<ArgumentException>(() => Pipelines.Train(insists, o => o.Device = null)).Message);
        var falls = new MLContext(seed: 1) { GpuDeviceId = 0, FallbackToCpu = true };
        using var model = Pipelines.Train(falls, o => o.Device = null);
        falls.Model.Save(model, Pipelines.Rows(falls).Schema, folder.File("model.zip"));
        using var loaded = (AsftFineTuneTransformer)insists.Model.Load(folder.File("model.zip"), out _);
        Assert.Contains("GpuDeviceId", Assert.Throws<ArgumentException>(() => loaded.Transform(Pipelines.Rows(insists)).GetColumn<string>("GeneratedText").ToArray()).Message);
        var judge = insists.Transforms.ScoreHarmfulness(new ModerationModelOptions { ModelPath = Judged.WriteModeration(folder.File("judge")) }, responseColumnName: "Response");
        using var scored = judge.Fit(Pipelines.Rows(insists));
        Assert.Contains("GpuDeviceId", Assert.Throws<ArgumentException>(() => Judged.Score(insists, scored)).Message);
    }
}
