using AsFT.Lab.Basin;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;
using AsFT.Torch.Tests.Checkpoints;
using AsFT.Torch.Tests.Models;
using AsFT.Torch.Tests.Models.Families;
using static TorchSharp.torch;

namespace AsFT.Lab.Tests.Basin;

public sealed class MovedWeightsTests
{
    [Fact]
    public void The_basin_finds_the_layers_of_a_multimodal_model_by_number()
    {
        using var family = FamilyFolder.Open("gemma3-multimodal");
        using var folder = new TemporaryFolder();
        using var model = CausalLanguageModel.Load(family["aligned"], TinyLlama.Placement());
        using (NewDisposeScope()) ModelCheckpoint.Save(folder.Path, model.Weights().Select(weight => KeyValuePair.Create(weight.Key, weight.Value * 0.5)));
        File.Copy(Path.Combine(family["aligned"], "config.json"), folder["config.json"]);
        using var baseline = ModelCheckpoint.Open(folder.Path);
        using var moved = MovedWeights.Open(model, baseline, new BasinOptions { Layers = [1] }, TestContext.Current.CancellationToken);
        Assert.NotEmpty(moved.Tensors);
        Assert.All(moved.Tensors, tensor => Assert.StartsWith("language_model.model.layers.1.", tensor.Name, StringComparison.Ordinal));
    }
}
