using System.Reflection;
using System.Runtime.ExceptionServices;
using AsFT.Torch.Input;
using Microsoft.ML;

namespace AsFT.MLNet;

/// <summary>Loading with options for <see cref="MLContext.Model"/>.</summary>
public static class AsftModelCatalog
{
    /// <summary>
    /// Loads a saved pipeline as <c>mlContext.Model.Load</c> does, with a model folder in another place, on another device, or with a judge that cannot be saved.
    /// Without need of that, plain <c>mlContext.Model.Load</c> does it all; only it throws what goes wrong inside a
    /// <see cref="TargetInvocationException"/>, as ML.NET calls loaders by reflection, and this method throws it as it is.
    /// </summary>
    /// <param name="catalog">The catalog.</param>
    /// <param name="filePath">The zip.</param>
    /// <param name="options">What is not as it was saved.</param>
    /// <param name="inputSchema">The schema the pipeline was saved with.</param>
    /// <exception cref="DirectoryNotFoundException">The model folder is not there.</exception>
    /// <exception cref="InvalidDataException">The model folder holds another model, or the zip is damaged.</exception>
    public static ITransformer LoadAsft(this ModelOperationsCatalog catalog, string filePath, AsftLoadOptions options, out DataViewSchema inputSchema)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentException.ThrowIfNullOrEmpty(filePath);
        ArgumentNullException.ThrowIfNull(options);
        try
        {
            (var transformer, inputSchema) = options.Use(Path.GetDirectoryName(Path.GetFullPath(filePath)), () =>
            {
                using var zip = InputFile.Open(filePath);
                var loaded = catalog.Load(zip, out var schema);
                return (loaded, schema);
            });
            return transformer;
        }
        catch (TargetInvocationException e)
        {
            // One layer per transform and chain.
            Exception cause = e;
            while (cause is TargetInvocationException { InnerException: { } inner }) cause = inner;
            ExceptionDispatchInfo.Throw(cause);
            throw;
        }
    }
}
