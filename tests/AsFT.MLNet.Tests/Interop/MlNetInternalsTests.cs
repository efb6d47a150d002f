using System.Reflection;
using AsFT.MLNet.Interop;
using Microsoft.ML;

namespace AsFT.MLNet.Tests.Interop;

public sealed class MlNetInternalsTests
{
    private const BindingFlags Any = BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic;
    private static readonly Assembly Core = typeof(ITransformer).Assembly;

    [Theory]
    [InlineData("Microsoft.ML.ModelLoadContext", "CheckAtModel")]
    [InlineData("Microsoft.ML.ModelLoadContext", "Repository")]
    [InlineData("Microsoft.ML.ModelLoadContext", "Directory")]
    [InlineData("Microsoft.ML.RepositoryReader", "_archive")]
    [InlineData("Microsoft.ML.ModelSaveContext", "CheckAtModel")]
    [InlineData("Microsoft.ML.ModelSaveContext", "SetVersionInfo")]
    [InlineData("Microsoft.ML.ModelSaveContext", "SaveBinaryStream")]
    [InlineData("Microsoft.ML.SchemaShape+Column", "GetTypeString")]
    [InlineData("Microsoft.ML.Runtime.ICancelable", "get_IsCanceled")]
    [InlineData("Microsoft.ML.LoadableClassAttribute", ".ctor")]
    [InlineData("Microsoft.ML.SchemaShape+Column", ".ctor")]
    [InlineData("Microsoft.ML.VersionInfo", ".ctor")]
    [InlineData("Microsoft.ML.SignatureLoadModel", "Invoke")]
    public void ML_NET_has_the_member_that_the_interop_uses(string type, string member)
    {
        var found = Core.GetType(type);
        Assert.True(found is not null, $"{Core.GetName()} has no type {type}.");
        Assert.True(found.GetMember(member, Any).Length > 0, $"{type} has no member {member}.");
    }

    [Fact]
    public void ML_NET_is_in_the_tested_range() => Assert.Equal(5, FileVersion().Major);

    [Fact]
    public void Every_catalog_gives_its_environment()
    {
        var context = new MLContext();
        Assert.NotNull(MlNetInternals.Environment(context.Transforms));
        Assert.NotNull(MlNetInternals.Environment(context.Data));
        Assert.NotNull(MlNetInternals.Environment(context.Model));
    }

    [Fact]
    public void A_host_tells_that_its_context_was_cancelled()
    {
        var context = new MLContext();
        var host = MlNetInternals.Environment(context.Transforms).Register("test");
        Assert.False(MlNetInternals.IsCanceled(host));
        Cancel(context);
        Assert.True(MlNetInternals.IsCanceled(host));
    }

    [Fact]
    public void The_assembly_names_its_loaders()
    {
        var attributes = typeof(AsftFineTuneTransformer).Assembly.GetCustomAttributes(Core.GetType("Microsoft.ML.LoadableClassAttribute")!);
        Assert.Equal(new HashSet<Type> { typeof(AsftFineTuneTransformer), typeof(HarmfulnessScoringTransformer) },
            attributes.Select(attribute => (Type)attribute.GetType().GetProperty("InstanceType")!.GetValue(attribute)!).ToHashSet());
    }

    [Fact]
    public void The_shipped_reference_is_the_real_assembly()
    {
        // The reference copy must not leak into the output: there the internals are internal.
        Assert.False(Core.GetType("Microsoft.ML.ModelLoadContext")!.IsPublic);
        var reference = typeof(AsftFineTuneTransformer).Assembly.GetReferencedAssemblies().Single(name => name.Name == "Microsoft.ML.Core");
        Assert.Equal(Core.GetName().GetPublicKeyToken(), reference.GetPublicKeyToken());
    }

    internal static void Cancel(MLContext context) =>
        typeof(MLContext).GetMethod("CancelExecution", Any)!.Invoke(context, null);

    private static Version FileVersion() => Version.Parse(Core.GetCustomAttribute<AssemblyFileVersionAttribute>()!.Version);
}
