using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;

namespace AsFT.Torch.Tests.Safety.Judges;

/// <summary>LlamaForSequenceClassification written out in loops over doubles, one sequence at a time: what a judge's scores are held against.</summary>
internal sealed class PlainClassifier
{
    private readonly ModelConfig _config;
    private readonly Dictionary<string, float[]> _weights = [];

    public PlainClassifier(string folder)
    {
        _config = ModelConfig.Load(folder);
        using var checkpoint = ModelCheckpoint.Open(folder);
        foreach (var name in checkpoint.Entries.Keys)
        {
            using var tensor = checkpoint.Read(name);
            _weights[name] = tensor.data<float>().ToArray();
        }
    }

    /// <summary>Logits at the last token.</summary>
    public double[] Logits(IReadOnlyList<int> ids)
    {
        int width = _config.HiddenSize, size = _config.HeadSize, group = _config.HeadCount / _config.KeyValueHeadCount;
        var hidden = ids.Select(id => _weights["model.embed_tokens.weight"].Skip(id * width).Take(width).Select(w => (double)w).ToArray()).ToArray();
        for (var layer = 0; layer < _config.LayerCount; layer++)
        {
            var name = $"model.layers.{layer}";
            var normed = hidden.Select(h => Norm(h, $"{name}.input_layernorm")).ToArray();
            var queries = normed.Select((h, t) => Rotate(Multiply(h, $"{name}.self_attn.q_proj"), t)).ToArray();
            var keys = normed.Select((h, t) => Rotate(Multiply(h, $"{name}.self_attn.k_proj"), t)).ToArray();
            var values = normed.Select(h => Multiply(h, $"{name}.self_attn.v_proj")).ToArray();
            for (var t = 0; t < hidden.Length; t++)
            {
                var mixed = new double[_config.HeadCount * size];
                for (var head = 0; head < _config.HeadCount; head++)
                {
                    var shared = head / group;
                    var scores = Enumerable.Range(0, t + 1).Select(s =>
                        Enumerable.Range(0, size).Sum(i => queries[t][head * size + i] * keys[s][shared * size + i]) / Math.Sqrt(size)).ToArray();
                    var highest = scores.Max();
                    var weights = scores.Select(s => Math.Exp(s - highest)).ToArray();
                    var total = weights.Sum();
                    for (var s = 0; s <= t; s++)
                        for (var i = 0; i < size; i++) mixed[head * size + i] += weights[s] / total * values[s][shared * size + i];
                }
                Add(hidden[t], Multiply(mixed, $"{name}.self_attn.o_proj"));
            }
            foreach (var h in hidden)
            {
                var x = Norm(h, $"{name}.post_attention_layernorm");
                var gate = Multiply(x, $"{name}.mlp.gate_proj");
                var up = Multiply(x, $"{name}.mlp.up_proj");
                Add(h, Multiply([.. gate.Zip(up, (g, u) => g / (1 + Math.Exp(-g)) * u)], $"{name}.mlp.down_proj"));
            }
        }
        return Multiply(Norm(hidden[^1], "model.norm"), "score");
    }

    private static void Add(double[] to, double[] more)
    {
        for (var i = 0; i < to.Length; i++) to[i] += more[i];
    }

    private double[] Multiply(double[] x, string layer)
    {
        var weight = _weights[$"{layer}.weight"];
        return [.. Enumerable.Range(0, weight.Length / x.Length).Select(row => Enumerable.Range(0, x.Length).Sum(i => weight[row * x.Length + i] * x[i]))];
    }

    private double[] Norm(double[] x, string layer)
    {
        var scale = 1 / Math.Sqrt(x.Average(v => v * v) + _config.RmsNormEpsilon);
        return [.. x.Select((v, i) => v * scale * _weights[$"{layer}.weight"][i])];
    }

    // Pairs are (i, i + size/2), as Hugging Face lays them.
    private double[] Rotate(double[] x, int position)
    {
        int size = _config.HeadSize, half = size / 2;
        var rotated = new double[x.Length];
        for (var head = 0; head < x.Length / size; head++)
            for (var i = 0; i < half; i++)
            {
                var angle = position / Math.Pow(_config.Spec.Rotary.Theta, 2.0 * i / size);
                double a = x[head * size + i], b = x[head * size + i + half];
                rotated[head * size + i] = a * Math.Cos(angle) - b * Math.Sin(angle);
                rotated[head * size + i + half] = b * Math.Cos(angle) + a * Math.Sin(angle);
            }
        return rotated;
    }
}
