using System.Reflection;
using System.Runtime.ExceptionServices;
using AsFT.MLNet.Persistence;
using AsFT.Torch.Input;
using AsFT.Torch.Runtime;
using Microsoft.ML;

namespace AsFT.MLNet;

/// <summary>Saving and loading of pipelines that refer to model folders, for <see cref="MLContext.Model"/>.</summary>
public static class AsftModelCatalog
{
    /// <summary>
    /// Saves a pipeline as <c>mlContext.Model.Save</c> does, whole or not at all: into a passing file that is flushed to disk and then takes its
    /// place. What is broken off leaves an older file as it was. Models that the zip refers to are recorded by their place from the zip's folder,
    /// not by where they lie on this machine; <see cref="LoadAsft(ModelOperationsCatalog, string, AsftLoadOptions, out DataViewSchema)"/> finds them again.
    /// </summary>
    /// <param name="catalog">The catalog.</param>
    /// <param name="model">The trained pipeline.</param>
    /// <param name="inputSchema">The columns that go into it; null where it needs none.</param>
    /// <param name="filePath">The zip; an older one is replaced.</param>
    public static void SaveAsft(this ModelOperationsCatalog catalog, ITransformer model, DataViewSchema? inputSchema, string filePath)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrEmpty(filePath);
        SavePlace.Use(Path.GetDirectoryName(Path.GetFullPath(filePath))!, () => AtomicOutput.WriteFile(filePath, partial => catalog.Save(model, inputSchema, partial)));
    }

    /// <summary>Loads a saved pipeline whose models lie beside it or where they were.</summary>
    /// <inheritdoc cref="LoadAsft(ModelOperationsCatalog, string, AsftLoadOptions, out DataViewSchema)"/>
    public static ITransformer LoadAsft(this ModelOperationsCatalog catalog, string filePath, out DataViewSchema inputSchema) =>
        catalog.LoadAsft(filePath, new AsftLoadOptions(), out inputSchema);

    /// <summary>
    /// Loads a saved pipeline as <c>mlContext.Model.Load</c> does, and knows where the zip lies: models that it refers to are looked for beside it,
    /// under <see cref="AsftLoadOptions.ModelRoots"/>, and where they were; or they are in another place, on another device, or with a judge that cannot be saved.
    /// Plain <c>mlContext.Model.Load</c> gets a stream: it finds models that the zip carries, and those that plain <c>mlContext.Model.Save</c> recorded with their
    /// full path, and throws what goes wrong inside a <see cref="TargetInvocationException"/>, as ML.NET calls loaders by reflection; this method throws it as it is.
    /// </summary>
    /// <param name="catalog">The catalog.</param>
    /// <param name="filePath">The zip.</param>
    /// <param name="options">What is not as it was saved.</param>
    /// <param name="inputSchema">The schema the pipeline was saved with.</param>
    /// <exception cref="DirectoryNotFoundException">The model folder is not there.</exception>
    /// <exception cref="InvalidDataException">The model folder holds another model, or the zip is damaged; names it and the part.</exception>
    public static ITransformer LoadAsft(this ModelOperationsCatalog catalog, string filePath, AsftLoadOptions options, out DataViewSchema inputSchema)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentException.ThrowIfNullOrEmpty(filePath);
        ArgumentNullException.ThrowIfNull(options);
        try
        {
            (var transformer, inputSchema) = options.Use(filePath, () =>
            {
                using var zip = InputFile.Open(filePath);
                var loaded = catalog.Load(zip, out var schema);
                return (loaded, schema);
            });
            return transformer;
        }
        catch (Exception e)
        {
            var cause = Cause(e);
            // What ML.NET itself meets in a file that is no pipeline, it says without saying which; our loaders are reached by reflection alone.
            if (cause.Source?.StartsWith("Microsoft.ML", StringComparison.Ordinal) == true || cause is FormatException or EndOfStreamException
                || ReferenceEquals(cause, e) && e is not (OutOfMemoryException or OperationCanceledException) && !e.Message.Contains(filePath, StringComparison.Ordinal))
                throw new InvalidDataException($"'{filePath}' is no pipeline that ML.NET saved, or is damaged: {cause.Message}", cause);
            if (ReferenceEquals(cause, e)) throw;
            ExceptionDispatchInfo.Throw(cause);
            throw;
        }
    }

    // ML.NET calls loaders by reflection, one layer per transform and chain, and wraps some of what they throw once more.
    private static Exception Cause(Exception exception)
    {
        while (exception is TargetInvocationException { InnerException: not null } or InvalidOperationException { InnerException: TargetInvocationException }) exception = exception.InnerException!;
        return exception;
    }
}
