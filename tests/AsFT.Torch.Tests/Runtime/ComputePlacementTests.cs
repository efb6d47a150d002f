using AsFT.Torch.Adapters;
using AsFT.Torch.Runtime;
using AsFT.Torch.Safety.Judges;
using AsFT.Torch.Tests.Models;
using AsFT.Torch.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Runtime;

public class ComputePlacementTests
{
    [Fact]
    public void Auto_takes_the_gpu_in_bfloat16_or_the_cpu_in_float32()
    {
        var placement = ComputePlacement.Resolve();
        Assert.Equal(cuda.is_available() ? DeviceType.CUDA : DeviceType.CPU, placement.Device.type);
        Assert.Equal(cuda.is_available() && CudaDriver.ComputeCapability(0) is null or { Major: >= 8 } ? ScalarType.BFloat16 : ScalarType.Float32, placement.DType);
    }

    [Theory]
    [InlineData(DeviceType.CUDA, "7.5", ScalarType.Float32)]
    [InlineData(DeviceType.CUDA, "6.1", ScalarType.Float32)]
    [InlineData(DeviceType.CUDA, "8.0", ScalarType.BFloat16)]
    [InlineData(DeviceType.CUDA, "12.0", ScalarType.BFloat16)]
    [InlineData(DeviceType.CUDA, null, ScalarType.BFloat16)]
    [InlineData(DeviceType.CPU, null, ScalarType.Float32)]
    [InlineData(DeviceType.MPS, null, ScalarType.Float32)]
    public void Auto_asks_the_device_whether_it_computes_in_bfloat16(DeviceType device, string? capability, ScalarType expected) =>
        Assert.Equal(expected, ComputePlacement.AutomaticFormat(device, capability is null ? null : Version.Parse(capability)));

    [Fact]
    public void A_training_in_float16_is_refused_before_it_loses_its_gradients()
    {
        using var model = TinyLlama.Create(dtype: ScalarType.Float16);
        using var adapter = LoraAdapter.Attach(model.LinearLayers(), new LoraOptions { Rank = 2 }, seed: 1);
        foreach (Action train in new Action[] { () => _ = new FineTuner(model, adapter, null, new()),
            () => JudgeTrainer.Train("decoder", [new("a", "b", new Dictionary<string, bool>())], "out", placement: new(CPU, ScalarType.Float16)) })
        {
            var e = Assert.Throws<ArgumentException>(train);
            Assert.Equal("DType", e.ParamName);
            Assert.Contains("bfloat16", e.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("float32", ScalarType.Float32)]
    [InlineData("bfloat16", ScalarType.BFloat16)]
    [InlineData("float16", ScalarType.Float16)]
    [InlineData("float64", ScalarType.Float64)]
    [InlineData("auto", ScalarType.Float32)]
    public void Formats_are_taken_by_name(string name, ScalarType expected) =>
        Assert.Equal(expected, ComputePlacement.Resolve("cpu", name).DType);

    [Theory]
    [InlineData("gpu")]
    [InlineData("CPU")]
    [InlineData("")]
    [InlineData("cuda:")]
    [InlineData("cuda:-1")]
    [InlineData("cuda:x")]
    [InlineData("cuda:99")]
    public void Unknown_or_absent_devices_are_refused_by_name(string device)
    {
        var e = Assert.Throws<ArgumentException>(() => ComputePlacement.Resolve(device));
        Assert.Equal("device", e.ParamName);
        Assert.Contains($"'{device}'", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("fp32")]
    [InlineData("int8")]
    public void Unknown_formats_are_refused_by_name(string dtype) =>
        Assert.Contains($"'{dtype}'", Assert.Throws<ArgumentException>(() => ComputePlacement.Resolve("cpu", dtype)).Message, StringComparison.Ordinal);
}
