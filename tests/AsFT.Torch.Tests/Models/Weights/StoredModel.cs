using System.Text.Json;
using System.Text.Json.Nodes;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;
using AsFT.Torch.Models.Weights;
using AsFT.Torch.Runtime.Cpu;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Models.Weights;

/// <summary>Writes a checkpoint as bitsandbytes stores it.</summary>
internal static class StoredModel
{
    public static void Write(string source, string target, WeightFormat format, bool isDouble = true, Func<string, Tensor, Tensor?>? change = null, Func<string, string>? rename = null)
    {
        using var scope = NewDisposeScope();
        using var checkpoint = ModelCheckpoint.Open(source);
        var tensors = new Dictionary<string, Tensor>();
        foreach (var name in checkpoint.Entries.Keys)
        {
            var weight = checkpoint.Read(name);
            foreach (var (part, value) in weight.dim() != 2 || !name.Contains(".layers.", StringComparison.Ordinal) ? [(name, weight)] : Parts(name, weight, format, isDouble))
                if ((change is null ? value : change(part, value)) is { } kept) tensors.Add(rename?.Invoke(part) ?? part, kept);
        }
        ModelCheckpoint.Save(target, tensors);
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(source, "config.json")))!;
        config["quantization_config"] = format == WeightFormat.Int8
            ? new JsonObject { ["quant_method"] = "bitsandbytes", ["load_in_8bit"] = true, ["load_in_4bit"] = false, ["llm_int8_threshold"] = 6.0 }
            : new JsonObject { ["quant_method"] = "bitsandbytes", ["load_in_4bit"] = true, ["load_in_8bit"] = false, ["bnb_4bit_quant_type"] = "nf4", ["bnb_4bit_use_double_quant"] = isDouble };
        File.WriteAllText(Path.Combine(target, "config.json"), config.ToJsonString());
        foreach (var file in Directory.EnumerateFiles(source).Where(file => Path.GetFileName(file) != "config.json" && !file.EndsWith(".safetensors", StringComparison.Ordinal)))
            File.Copy(file, Path.Combine(target, Path.GetFileName(file)), overwrite: true);
    }

    private static List<(string, Tensor)> Parts(string name, Tensor weight, WeightFormat format, bool isDouble)
    {
        if (format == WeightFormat.Int8)
        {
            var eight = Int8Matrix.Quantize(weight, name, ScalarType.Float32, CPU);
            return [(name, eight.Codes), (name.Replace(".weight", ".SCB", StringComparison.Ordinal), eight.Absmax), (name + "_format", tensor((byte)0))];
        }
        var four = Nf4Matrix.Quantize(weight, name, ScalarType.Float32, CPU, isDouble);
        var state = new Dictionary<string, object> { ["quant_type"] = "nf4", ["blocksize"] = 64, ["dtype"] = "float32", ["shape"] = weight.shape };
        var parts = new List<(string, Tensor)>
        {
            (name, four.Codes.narrow(0, 0, (weight.numel() + 1) / 2).unsqueeze(1)),
            (name + ".quant_map", tensor(Nf4Numbers.Values.ToArray())),
        };
        if (four.Scales is DoubleScales scales)
        {
            (state["nested_blocksize"], state["nested_dtype"], state["nested_offset"]) = (256, "float32", (double)scales.Mean);
            parts.AddRange([(name + ".absmax", scales.Codes), (name + ".nested_absmax", scales.Nested), (name + ".nested_quant_map", tensor(DynamicCodes.Map.ToArray()))]);
        }
        else
        {
            parts.Add((name + ".absmax", four.Scales.Of(0, (weight.numel() + 63) / 64)));
        }
        parts.Add((name + ".quant_state.bitsandbytes__nf4", tensor(JsonSerializer.SerializeToUtf8Bytes(state))));
        return parts;
    }
}
