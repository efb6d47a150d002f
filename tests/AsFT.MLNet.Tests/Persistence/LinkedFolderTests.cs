using AsFT.MLNet.Persistence;
using AsFT.Torch.Checkpoints;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Tests.Persistence;

/// <summary>Model folders as the Hugging Face cache has them: links to files that are named by their hash.</summary>
public sealed class LinkedFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly string _snapshot;

    public LinkedFolderTests()
    {
        _snapshot = Directory.CreateDirectory(_folder.File("snapshots/1a2b")).FullName;
        Directory.CreateDirectory(_folder.File("blobs"));
        var number = 0;
        foreach (var file in Directory.GetFiles(Pipelines.Aligned))
        {
            var blob = $"blobs/{number++:x4}";
            File.Copy(file, _folder.File(blob));
            File.CreateSymbolicLink(Path.Combine(_snapshot, Path.GetFileName(file)), Path.Combine("../..", blob));
        }
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_linked_model_is_described_as_the_files_it_leads_to()
    {
        var linked = ModelReference.Of(_snapshot);
        var plain = ModelReference.Of(Pipelines.Aligned);
        Assert.Equal(plain.Files, linked.Files);
        Assert.Null(linked.Difference(Pipelines.Aligned));
        Assert.Equal(CheckpointFingerprint.Compute(Pipelines.Aligned).Bytes, CheckpointFingerprint.Compute(_snapshot).Bytes);
        CheckpointFingerprint.Compute(Pipelines.Aligned).Verify(_snapshot, TestContext.Current.CancellationToken);
    }

    [Fact]
    public void A_whole_linked_model_in_the_zip_is_loaded_again()
    {
        var context = new MLContext(seed: 3);
        using var trained = Pipelines.Train(context, options => (options.AlignedModelPath, options.SaveWholeModel) = (_snapshot, true));
        context.Model.Save(trained, Pipelines.Rows(context).Schema, _folder.File("model.zip"));
        Directory.Delete(_snapshot, recursive: true);
        var loaded = context.Model.Load(_folder.File("model.zip"), out _);
        using var disposable = loaded as IDisposable;
        var answers = trained.Transform(Pipelines.Rows(context)).GetColumn<string>("GeneratedText").ToList();
        Assert.Equal(answers, loaded.Transform(Pipelines.Rows(context)).GetColumn<string>("GeneratedText"));
    }
}
