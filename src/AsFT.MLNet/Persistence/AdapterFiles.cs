using AsFT.Torch.Adapters;
using AsFT.Torch.Input;
using AsFT.Torch.Runtime;

namespace AsFT.MLNet.Persistence;

/// <summary>A PEFT folder's two files in memory; an adapter is small.</summary>
/// <param name="Config">Content of <c>adapter_config.json</c>.</param>
/// <param name="Weights">Content of <c>adapter_model.safetensors</c>.</param>
internal sealed record AdapterFiles(byte[] Config, byte[] Weights)
{
    public const string ConfigName = "adapter_config.json";
    public const string WeightsName = "adapter_model.safetensors";

    /// <summary>The files that an adapter would write.</summary>
    /// <param name="adapter">The adapter.</param>
    /// <param name="modelName">What its configuration names as the model below.</param>
    public static AdapterFiles Of(LoraAdapter adapter, string modelName)
    {
        using var folder = PassingFolder.InTemp("adapter");
        adapter.Save(folder.Path, modelName);
        return new AdapterFiles(File.ReadAllBytes(Path.Combine(folder.Path, ConfigName)), File.ReadAllBytes(Path.Combine(folder.Path, WeightsName)));
    }

    /// <summary>The files in a folder.</summary>
    public static AdapterFiles Read(string folder) => new(InputFile.ReadAllBytes(Path.Combine(folder, ConfigName), SavedParts.MaxTextBytes), InputFile.ReadAllBytes(Path.Combine(folder, WeightsName), Array.MaxLength));

    /// <summary>The files in a zip.</summary>
    public static AdapterFiles Read(SavedParts parts) => new(parts.ReadBytes(ConfigName, SavedParts.MaxTextBytes), parts.ReadBytes(WeightsName, Array.MaxLength));

    /// <summary>Writes the PEFT folder.</summary>
    public void Write(string folder) => AtomicOutput.WriteFolder(folder, partial =>
    {
        File.WriteAllBytes(Path.Combine(partial, ConfigName), Config);
        File.WriteAllBytes(Path.Combine(partial, WeightsName), Weights);
    });

    /// <summary>Hands out a passing folder with the files.</summary>
    public T Use<T>(Func<string, T> action)
    {
        using var folder = PassingFolder.InTemp("adapter");
        Write(folder.Path);
        return action(folder.Path);
    }
}
