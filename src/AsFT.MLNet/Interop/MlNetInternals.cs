using System.IO.Compression;
using System.Runtime.CompilerServices;
using AsFT.MLNet;
using AsFT.MLNet.Interop;
using AsFT.MLNet.Persistence;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

// ML.NET loads this assembly by the name that a model.zip carries, finds this attribute and calls the loader's Create.
[assembly: LoadableClass(typeof(AsftFineTuneTransformer), typeof(AsftFineTuneLoader), null, typeof(SignatureLoadModel),
    "AsFT fine-tuned language model", MlNetInternals.FineTuneLoader)]
[assembly: LoadableClass(typeof(HarmfulnessScoringTransformer), typeof(HarmfulnessScoringLoader), null, typeof(SignatureLoadModel),
    "AsFT harmfulness scoring", MlNetInternals.ScoringLoader)]

namespace AsFT.MLNet.Interop;

/// <summary>
/// The one place, but for the view's interface, that touches what ML.NET keeps internal: types of Microsoft.ML.Core and Microsoft.ML.Data
/// through the build's reference copies (build/ReferenceWithInternals.targets), one interface of Microsoft.ML.Data through UnsafeAccessor. Tested on [5.0.1, 6.0).
/// </summary>
internal static class MlNetInternals
{
    /// <summary>Name under which a model.zip finds the loader of <see cref="AsftFineTuneTransformer"/>.</summary>
    public const string FineTuneLoader = "AsftFineTune";

    /// <summary>Name under which a model.zip finds the loader of <see cref="HarmfulnessScoringTransformer"/>.</summary>
    public const string ScoringLoader = "AsftHarmfulness";

    private const uint FirstVersion = 0x00010001;

    public static IHostEnvironment Environment(TransformsCatalog catalog) => EnvironmentOf(catalog);

    public static IHostEnvironment Environment(DataOperationsCatalog catalog) => EnvironmentOf(catalog);

    public static IHostEnvironment Environment(ModelOperationsCatalog catalog) => EnvironmentOf(catalog);

    /// <summary>Whether the context that the host belongs to was told to stop.</summary>
    public static bool IsCanceled(IHostEnvironment host) => host is ICancelable { IsCanceled: true };

    /// <summary>The seed of the context that the host belongs to; null without one.</summary>
    public static int? Seed(IHostEnvironment host) => (host as IHostEnvironmentInternal)?.Seed;

    /// <summary>The GPU that the context names, null without one, and whether it falls back to the CPU where there is no such GPU.</summary>
    public static (int? DeviceId, bool FallsBack) Gpu(IHostEnvironment host) => host is IHostEnvironmentInternal known ? (known.GpuDeviceId, known.FallbackToCpu) : (null, true);

    /// <summary>A text column of a schema shape.</summary>
    public static SchemaShape.Column TextColumn(string name) => ScalarColumn(name, TextDataViewType.Instance);

    /// <summary>A column of single values of a schema shape.</summary>
    public static SchemaShape.Column ScalarColumn(string name, DataViewType type) => new(name, SchemaShape.Column.VectorKind.Scalar, type, isKey: false);

    /// <summary>A column of single-precision vectors with slot names of a schema shape.</summary>
    public static SchemaShape.Column NamedVectorColumn(string name) => new(name, SchemaShape.Column.VectorKind.Vector, NumberDataViewType.Single, isKey: false,
        new SchemaShape([new SchemaShape.Column("SlotNames", SchemaShape.Column.VectorKind.Vector, TextDataViewType.Instance, isKey: false)]));

    /// <summary>Column type in ML.NET's own words.</summary>
    public static string TypeName(SchemaShape.Column column) => column.GetTypeString();

    /// <summary>Writes named binary parts of a fine-tuned transformer.</summary>
    public static void SaveFineTune(ModelSaveContext context, IEnumerable<KeyValuePair<string, Action<Stream>>> parts) => Save(context, FineTuneVersionInfo(), parts);

    /// <summary>Writes named binary parts of a scoring transformer.</summary>
    public static void SaveScoring(ModelSaveContext context, IEnumerable<KeyValuePair<string, Action<Stream>>> parts) => Save(context, ScoringVersionInfo(), parts);

    // The first argument is eight characters that head the model stream.
    internal static VersionInfo FineTuneVersionInfo() => new("ASFTTUNE", FirstVersion, FirstVersion, FirstVersion, typeof(MlNetInternals).Assembly.FullName, FineTuneLoader);

    internal static VersionInfo ScoringVersionInfo() => new("ASFTHARM", FirstVersion, FirstVersion, FirstVersion, typeof(MlNetInternals).Assembly.FullName, ScoringLoader);

    /// <summary>The named binary parts that were saved. ML.NET's own reader would unpack each to the end, however large, before it hands it out.</summary>
    internal static SavedParts Parts(ModelLoadContext context) => new(ArchiveOf(context.Repository), context.Directory ?? "", AsftLoadOptions.Current.ZipPath);

    private static void Save(ModelSaveContext context, VersionInfo version, IEnumerable<KeyValuePair<string, Action<Stream>>> parts)
    {
        context.CheckAtModel();
        context.SetVersionInfo(version);
        foreach (var (name, write) in parts) context.SaveBinaryStream(name, writer => write(writer.BaseStream));
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_archive")]
    private static extern ref ZipArchive ArchiveOf(RepositoryReader reader);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "Microsoft.ML.Data.IInternalCatalog.get_Environment")]
    private static extern IHostEnvironment EnvironmentOf(TransformsCatalog catalog);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "Microsoft.ML.Data.IInternalCatalog.get_Environment")]
    private static extern IHostEnvironment EnvironmentOf(DataOperationsCatalog catalog);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "Microsoft.ML.Data.IInternalCatalog.get_Environment")]
    private static extern IHostEnvironment EnvironmentOf(ModelOperationsCatalog catalog);
}

/// <summary>Reads what <see cref="MlNetInternals.SaveFineTune"/> wrote; ML.NET calls <c>Create</c> by reflection.</summary>
internal static class AsftFineTuneLoader
{
    internal static AsftFineTuneTransformer Create(IHostEnvironment environment, ModelLoadContext context)
    {
        context.CheckAtModel(MlNetInternals.FineTuneVersionInfo());
        return AsftFineTuneTransformer.Load(environment, MlNetInternals.Parts(context));
    }
}

/// <summary>Reads what <see cref="MlNetInternals.SaveScoring"/> wrote; ML.NET calls <c>Create</c> by reflection.</summary>
internal static class HarmfulnessScoringLoader
{
    internal static HarmfulnessScoringTransformer Create(IHostEnvironment environment, ModelLoadContext context)
    {
        context.CheckAtModel(MlNetInternals.ScoringVersionInfo());
        return HarmfulnessScoringTransformer.Load(environment, MlNetInternals.Parts(context));
    }
}
