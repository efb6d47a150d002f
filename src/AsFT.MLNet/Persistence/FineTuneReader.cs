using AsFT.MLNet.FineTuning;
using AsFT.Torch.Adapters;
using AsFT.Torch.Models;
using AsFT.Torch.Tokenization;
using Microsoft.ML.Runtime;

namespace AsFT.MLNet.Persistence;

/// <summary>Makes a model source of the parts of a model.zip: finds the model folder, checks it, unpacks it where it is embedded.</summary>
internal static class FineTuneReader
{
    /// <param name="environment">Says where to compute where the options do not.</param>
    /// <param name="readPart">Calls back with the stream of a part.</param>
    /// <param name="loading">Where the model lies and where it runs, when not as saved.</param>
    public static (ModelSource Source, SavedFineTune Saved) Read(IHostEnvironment environment, Action<string, Action<Stream>> readPart, AsftLoadOptions loading)
    {
        SavedFineTune saved = null!;
        readPart(SavedFineTune.PartName, stream => saved = SavedFineTune.Read(stream));
        var adapter = new AdapterFiles(ReadBytes(readPart, AdapterFiles.ConfigName), ReadBytes(readPart, AdapterFiles.WeightsName));
        loading.CheckPlacement();
        saved.Options.Device = loading.Device ?? saved.Options.Device;
        saved.Options.DType = loading.DType ?? saved.Options.DType;
        loading.Configure?.Invoke(saved.Options);
        Check(saved.Options, isConfigured: loading.Configure is not null);
        var extracted = saved.IsModelEmbedded && loading.ModelPath is null ? ModelFolder.Extract(readPart, saved.Model) : null;
        try
        {
            var folder = extracted?.Path ?? ModelFolder.Find(saved.Model, loading.ModelPath, loading.ZipFolder, ModelRole.Aligned);
            saved.Model.CheckSizes(folder, ModelRole.Aligned);
            var isChecked = saved.Model.Size() <= ModelFolder.HashAtOnce;
            if (isChecked) saved.Model.CheckContents(folder, ModelRole.Aligned);
            saved.Options.AlignedModelPath = folder;
            // Saved again, the zip names the place where the model lies now; a passing folder is no such place.
            if (extracted is null) saved = saved with { Model = saved.Model.At(folder) };
            return (new ModelSource(() =>
            {
                if (!isChecked) saved.Model.CheckContents(folder, ModelRole.Aligned);
                return LoadModel(environment, folder, saved.Options, adapter);
            }, folder, adapter, saved.Model, extracted), saved);
        }
        catch
        {
            extracted?.Dispose();
            throw;
        }
    }

    private static void Check(AsftFineTuneOptions options, bool isConfigured)
    {
        try
        {
            OptionsCheck.ValidateAnswering(options);
        }
        catch (ArgumentException e) when (!isConfigured)
        {
            throw new InvalidDataException($"The model file's part '{SavedFineTune.PartName}' holds a wrong option: {e.Message}", e);
        }
    }

    private static FineTunedModel LoadModel(IHostEnvironment environment, string folder, AsftFineTuneOptions options, AdapterFiles adapter)
    {
        var tokenizer = LanguageTokenizer.Load(folder);
        var model = CausalLanguageModel.Load(folder, HostDefaults.Placement(environment, options.Device, options.DType));
        try
        {
            // Every byte of the model's files was compared; that tells more than the adapter's own fingerprint.
            var attached = adapter.Use(files => LoraAdapter.Load(model.LinearLayers(), files, options.Seed ?? HostDefaults.DefaultSeed, allowOtherModel: true));
            return new FineTunedModel(model, tokenizer, ChatTemplate.FromName(options.Template), attached);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private static byte[] ReadBytes(Action<string, Action<Stream>> readPart, string name)
    {
        using var bytes = new MemoryStream();
        readPart(name, stream => stream.CopyTo(bytes));
        return bytes.ToArray();
    }
}
