using System.Text;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;
using AsFT.Torch.Tests.Checkpoints;
using AsFT.Torch.Tests.Models.Families;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Models.Weights;

/// <summary>Checkpoints in the layout that transformers and bitsandbytes store quantised models in.</summary>
public sealed class StoredWeightsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly FamilyFolder _family = FamilyFolder.Open("llama3");

    public void Dispose()
    {
        _folder.Dispose();
        _family.Dispose();
    }

    [Theory]
    [InlineData(WeightFormat.Nf4, true)]
    [InlineData(WeightFormat.Nf4, false)]
    [InlineData(WeightFormat.Int8, false)]
    public void WhatBitsAndBytesStoredIsTheModelThatIsQuantisedWhileItIsLoaded(WeightFormat format, bool isDouble)
    {
        Store(format, isDouble);
        using var dense = CausalLanguageModel.Load(_family["aligned"], TinyLlama.Placement());
        using var stored = CausalLanguageModel.Load(_folder.Path, TinyLlama.Placement());
        Assert.Equal(format, stored.Config.StoredFormat);
        Assert.Equal(format, stored.Format);
        using var scope = NewDisposeScope();
        var ids = tensor(_family.Rows[0].Select(id => (long)id).ToArray()).unsqueeze(0);
        var (logits, exact) = (stored.LogitsOf(ids), dense.LogitsOf(ids));
        if (isDouble || format == WeightFormat.Int8)
        {
            using var quantised = CausalLanguageModel.Load(_family["aligned"], TinyLlama.Placement(), format);
            Assert.Equal(0, quantised.LogitsOf(ids).ne(logits).sum().item<long>());
            Assert.Equal(format, quantised.Format);
            // What is quantised while it is loaded is still known as the model of its files.
            Assert.Equal(dense.LinearLayers().First().Sample(), quantised.LinearLayers().First().Sample());
        }
        Assert.InRange(((logits - exact).norm() / exact.norm()).item<float>(), 1e-4, 0.5);
        Assert.Empty(Fit().Problems);
        Assert.Empty(Fit().UnusedTensors);
        using var checkpoint = ModelCheckpoint.Open(_family["aligned"]);
        Assert.Equal(CheckpointFit.Check(dense.Config, checkpoint).ParameterCount, Fit().ParameterCount);
        Assert.Equal(WeightFormat.Dense, stored.Head.Format);
    }

    [Fact]
    public void AnotherFormatThanTheStoredIsRefused()
    {
        Store(WeightFormat.Int8, false);
        var error = Assert.Throws<ArgumentException>(() => CausalLanguageModel.Load(_folder.Path, TinyLlama.Placement(), WeightFormat.Nf4));
        Assert.Contains("stores 'model.layers.0.self_attn.q_proj.weight' as Int8 already", error.Message, StringComparison.Ordinal);
        using var same = CausalLanguageModel.Load(_folder.Path, TinyLlama.Placement(), WeightFormat.Int8);
    }

    [Theory]
    [InlineData("absmax", "'model.layers.0.self_attn.q_proj.weight.absmax' is missing")]
    [InlineData("nested_quant_map", "'model.layers.0.self_attn.q_proj.weight.nested_quant_map' is missing")]
    public void AMissingPartIsNamed(string part, string expected)
    {
        Store(WeightFormat.Nf4, true, (name, value) => name.EndsWith($"layers.0.self_attn.q_proj.weight.{part}", StringComparison.Ordinal) ? null : value);
        Refused(expected);
    }

    [Theory]
    [InlineData("""{"quant_type":"nf4","blocksize":64,"shape":[1,1]}""", "is said to be 1 × 1")]
    [InlineData("""{"quant_type":"nf4","blocksize":63,"shape":[64,64]}""", "names blocks of 63 numbers")]
    [InlineData("""{"quant_type":"int3","blocksize":64,"shape":[64,64]}""", "no state of bitsandbytes")]
    [InlineData("""{"blocksize":64}""", "no state of bitsandbytes")]
    [InlineData("""{"quant_type":"nf4","blocksize":64.5,"shape":[64,64]}""", "no state of bitsandbytes")]
    [InlineData("[", "no state of bitsandbytes")]
    public void ADamagedStateIsNamed(string state, string expected)
    {
        Store(WeightFormat.Nf4, true, (name, value) => name.EndsWith("layers.0.self_attn.q_proj.weight.quant_state.bitsandbytes__nf4", StringComparison.Ordinal) ? Bytes(state) : value);
        Refused(expected);
    }

    [Fact]
    public void ASizeThatTheStateDoesNotCallForIsNamed()
    {
        Store(WeightFormat.Nf4, true, (name, value) => name.EndsWith("layers.1.mlp.up_proj.weight.absmax", StringComparison.Ordinal) ? value.narrow(0, 0, 2) : value);
        Refused("'model.layers.1.mlp.up_proj.weight.absmax' is U8 (2)");
    }

    [Fact]
    public void AClassifierIsMadeOnDenseWeightsAlone()
    {
        Store(WeightFormat.Nf4, true);
        var error = Assert.Throws<InvalidOperationException>(() => SequenceClassifier.FromDecoder(_folder.Path, ["harmful"], "multi_label_classification", TinyLlama.Placement()));
        Assert.Contains("is held as Nf4", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Fp4IsRefusedByName()
    {
        Store(WeightFormat.Nf4, true, rename: name => name.Replace("__nf4", "__fp4", StringComparison.Ordinal));
        Refused("as FP4, which is not read");
    }

    [Fact]
    public void CodesThatAreNotStoredRowByRowAreRefused()
    {
        Store(WeightFormat.Int8, false, (name, value) => name.EndsWith("weight_format", StringComparison.Ordinal) ? tensor((byte)2) : value);
        Refused("not stored row by row");
    }

    private void Refused(string expected)
    {
        var error = Assert.Throws<InvalidDataException>(() => CausalLanguageModel.Load(_folder.Path, TinyLlama.Placement()));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    private CheckpointFit Fit()
    {
        using var checkpoint = ModelCheckpoint.Open(_folder.Path);
        return CheckpointFit.Check(ModelConfig.Load(_folder.Path), checkpoint);
    }

    /// <summary>Writes the family's aligned model as transformers' <c>save_pretrained</c> writes it after loading it quantised.</summary>
    private void Store(WeightFormat format, bool isDouble, Func<string, Tensor, Tensor?>? change = null, Func<string, string>? rename = null) =>
        StoredModel.Write(_family["aligned"], _folder.Path, format, isDouble, change, rename);

    private static Tensor Bytes(string text) => tensor(Encoding.UTF8.GetBytes(text));
}
