using AsFT.Torch.Alignment;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Runtime;
using AsFT.Torch.Tokenization;

namespace AsFT.MLNet.FineTuning;

/// <summary>Checks options before any file is read; each message names the option, its value and what is wanted.</summary>
internal static class OptionsCheck
{
    /// <summary>Gives a shallow copy of options arrays of its own, so that changes within the original's do not reach it.</summary>
    public static T WithOwnArrays<T>(T copy) where T : notnull
    {
        foreach (var property in copy.GetType().GetProperties())
            if (property.PropertyType == typeof(string[]) && property.CanWrite && property.GetValue(copy) is string[] texts) property.SetValue(copy, texts.Clone());
        return copy;
    }

    /// <exception cref="ArgumentException">An option is wrong.</exception>
    public static void Validate(AsftFineTuneOptions options)
    {
        Columns(options);
        Models(options);
        // λ by its name here; the engine calls it PenaltyWeight.
        Require(options.Lambda >= 0, options.Lambda, nameof(options.Lambda), "a number of at least 0");
        if (!Enum.IsDefined(options.Projection))
            throw OutOfRange(nameof(options.Projection), options.Projection, $"Projection must be one of {string.Join(", ", Enum.GetNames<AlignmentProjection>())}.");
        Require(options.SubspaceRank is null or >= 1, options.SubspaceRank, nameof(options.SubspaceRank), "at least 1, or null");
        Require(options.SubspaceEnergy is > 0 and <= 1, options.SubspaceEnergy, nameof(options.SubspaceEnergy), "in (0, 1]");
        Require(options.GuardPower is >= 1 and <= 4, options.GuardPower, nameof(options.GuardPower), "from 1 to 4");
        Refusals(options);
        Texts(options.TargetModules, nameof(options.TargetModules));
        if (options.TargetModules.Length == 0)
            throw Wrong(nameof(options.TargetModules), "TargetModules is empty; name at least one linear layer, such as q_proj, or all-linear.");
        Texts(options.UnprotectedLayers, nameof(options.UnprotectedLayers));
        EngineOptions.Lora(options).Validate();
        EngineOptions.Training(options).Validate();
        Require(options.MaxSequenceLength is null or >= 2, options.MaxSequenceLength, nameof(options.MaxSequenceLength), "at least 2, or null");
        Require(options.ValidationFraction is >= 0 and < 1, options.ValidationFraction, nameof(options.ValidationFraction), "in [0, 1)");
        Generation(options);
        ChatTemplate.FromName(options.Template);
        ComputePlacement.Resolve(options.Device, options.DType);
    }

    /// <summary>Checks what a trained model still goes by: columns, decoding, template.</summary>
    /// <exception cref="ArgumentException">An option is wrong.</exception>
    public static void ValidateAnswering(AsftFineTuneOptions options)
    {
        Columns(options);
        Generation(options);
        ChatTemplate.FromName(options.Template);
    }

    /// <summary>An option that is wrong.</summary>
    public static ArgumentException Wrong(string option, string message) => new(message, option);

    /// <summary>An option that is out of its range.</summary>
    public static ArgumentOutOfRangeException OutOfRange(string option, object? value, string message) => new(option, value, message);

    private static void Columns(AsftFineTuneOptions options)
    {
        Name(options.PromptColumnName, nameof(options.PromptColumnName));
        Name(options.ResponseColumnName, nameof(options.ResponseColumnName));
        Name(options.OutputColumnName, nameof(options.OutputColumnName));
        if (options.SystemColumnName is not null) Name(options.SystemColumnName, nameof(options.SystemColumnName));
        if (options.ContextColumnName is not null) Name(options.ContextColumnName, nameof(options.ContextColumnName));
        if (options.PromptColumnName == options.ResponseColumnName)
            throw Wrong(nameof(options.ResponseColumnName), $"PromptColumnName and ResponseColumnName are both '{options.PromptColumnName}'; the answer to learn would stand in the prompt.");
    }

    private static void Models(AsftFineTuneOptions options)
    {
        if (string.IsNullOrEmpty(options.AlignedModelPath))
            throw Wrong(nameof(options.AlignedModelPath), "AlignedModelPath is not set; it names the folder of the model that is fine-tuned.");
        Folder(options.AlignedModelPath, nameof(options.AlignedModelPath));
        if (options.DirectionPath is not null && !File.Exists(options.DirectionPath))
            throw Wrong(nameof(options.DirectionPath), $"DirectionPath is '{options.DirectionPath}'; there is no such file.");
        if (options.BaseModelPath is not null) Folder(options.BaseModelPath, nameof(options.BaseModelPath));
        var needsDirection = options.Lambda != 0 && options.Projection != AlignmentProjection.None;
        if (needsDirection && options.BaseModelPath is null && options.DirectionPath is null)
            throw Wrong(nameof(options.BaseModelPath), $"BaseModelPath and DirectionPath are both null; the penalty (Lambda {options.Lambda}, Projection {options.Projection}) needs one of them. Without the penalty set Lambda to 0.");
    }

    private static void Refusals(AsftFineTuneOptions options)
    {
        if ((options.RefusalTolerance is null) != (options.HeldOutRefusalsPath is null))
            throw Wrong(nameof(options.HeldOutRefusalsPath), options.RefusalTolerance is null
                ? "HeldOutRefusalsPath is set but RefusalTolerance is not; refusals are looked at only to find λ within a tolerance."
                : "RefusalTolerance is set but HeldOutRefusalsPath is not; λ is found by looking at refusals, which that file holds.");
        if (options.HeldOutRefusalsPath is { } path && !File.Exists(path))
            throw Wrong(nameof(options.HeldOutRefusalsPath), $"HeldOutRefusalsPath is '{path}'; there is no such file.");
        if (options.RefusalTolerance is not null)
            Require(options.Lambda > 0, options.Lambda, nameof(options.Lambda), "positive where RefusalTolerance lets it change");
    }

    private static void Generation(AsftFineTuneOptions options)
    {
        Require(options.MaxNewTokens >= 1, options.MaxNewTokens, nameof(options.MaxNewTokens), "at least 1");
        Require(options.Temperature >= 0, options.Temperature, nameof(options.Temperature), "at least 0");
        Require(options.TopP is > 0 and <= 1, options.TopP, nameof(options.TopP), "in (0, 1]");
        Require(options.TopK is null or >= 1, options.TopK, nameof(options.TopK), "at least 1, or null");
        Require(options.RepetitionPenalty > 0, options.RepetitionPenalty, nameof(options.RepetitionPenalty), "a positive number");
        Require(options.GenerationBatchSize >= 1, options.GenerationBatchSize, nameof(options.GenerationBatchSize), "at least 1");
        Texts(options.StopStrings, nameof(options.StopStrings));
    }

    private static void Folder(string path, string option)
    {
        if (!Directory.Exists(path)) throw Wrong(option, $"{option} is '{path}'; there is no such folder.{HubName.Advice(path)}");
    }

    private static void Name(string? value, string option)
    {
        if (string.IsNullOrEmpty(value)) throw new ArgumentException($"{option} is empty; a column name is wanted.", option);
    }

    private static void Texts(string[]? values, string option)
    {
        if (values is null) throw new ArgumentNullException(option);
        if (values.Any(string.IsNullOrEmpty)) throw new ArgumentException($"{option} holds an empty text.", option);
    }

    // NaN fails every comparison, so it is refused wherever a range is asked for; infinity is refused here.
    private static void Require(bool holds, double? value, string option, string wanted)
    {
        if (!holds || value is { } number && double.IsInfinity(number)) throw new ArgumentOutOfRangeException(option, value, $"{option} must be {wanted}.");
    }
}
