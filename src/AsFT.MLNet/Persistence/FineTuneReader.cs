using AsFT.MLNet.FineTuning;
using AsFT.Torch.Adapters;
using AsFT.Torch.Chat;
using AsFT.Torch.Models;
using AsFT.Torch.Tokenization;
using Microsoft.ML.Runtime;

namespace AsFT.MLNet.Persistence;

/// <summary>Makes a model source of the parts of a model.zip: finds the model below the adapter and checks it.</summary>
internal static class FineTuneReader
{
    /// <param name="environment">Says where to compute where the options do not.</param>
    /// <param name="parts">The parts of the zip.</param>
    /// <param name="loading">Where the model lies and where it runs, when not as saved.</param>
    public static (ModelSource Source, SavedFineTune Saved) Read(IHostEnvironment environment, SavedParts parts, AsftLoadOptions loading)
    {
        var saved = SavedFineTune.Read(parts);
        var adapter = saved.WithoutAdapter ? null : AdapterFiles.Read(parts);
        loading.CheckPlacement();
        saved.Options.Device = loading.Device ?? saved.Options.Device;
        saved.Options.DType = loading.DType ?? saved.Options.DType;
        saved.Options.WeightFormat = loading.WeightFormat ?? saved.Options.WeightFormat;
        loading.Configure?.Invoke(saved.Options);
        saved.Options.Seed = HostDefaults.Seed(environment, saved.Options.Seed);
        RequireRight(() => OptionsCheck.ValidateAnswering(saved.Options), parts, isConfigured: loading.Configure is not null);
        var model = LocatedModel.Open(parts, saved.Model, saved.IsModelEmbedded, loading.ModelPath, loading, saved.Role);
        saved.Options.AlignedModelPath = model.Folder;
        CheckTemplate(model, saved.Options.Template, parts, isConfigured: loading.Configure is not null);
        return (new ModelSource(() =>
        {
            model.CheckContents();
            return LoadModel(environment, model.Folder, saved.Options, adapter);
        }, model, adapter), saved);
    }

    // A wrong name is found on loading, not with the first answer.
    private static void CheckTemplate(LocatedModel model, string template, SavedParts parts, bool isConfigured)
    {
        try
        {
            RequireRight(() => ChatTemplates.Load(model.Folder, template), parts, isConfigured);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    // What is wrong in the zip is told of the zip; what the caller configures may be the caller's.
    private static void RequireRight(Action check, SavedParts parts, bool isConfigured)
    {
        try
        {
            check();
        }
        catch (ArgumentException e) when (!isConfigured)
        {
            throw new InvalidDataException($"'{parts.Name(SavedFineTune.PartName)}' holds a wrong option: {e.Message}", e);
        }
    }

    /// <summary>Reads a model and puts its adapter on it, which was compared with the model's files.</summary>
    public static FineTunedModel LoadModel(IHostEnvironment environment, string folder, AsftFineTuneOptions options, AdapterFiles? adapter)
    {
        var tokenizer = LanguageTokenizer.Load(folder);
        var model = CausalLanguageModel.Load(folder, HostDefaults.Placement(environment, options.Device, options.DType), options.WeightFormat);
        try
        {
            // Every byte of the model's files was compared; that tells more than the adapter's own fingerprint.
            var attached = adapter?.Use(files => LoraAdapter.Load(model, files, options.Seed ?? HostDefaults.DefaultSeed, allowOtherModel: true));
            return new FineTunedModel(model, tokenizer, ChatTemplates.Load(folder, options.Template), attached);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }
}
