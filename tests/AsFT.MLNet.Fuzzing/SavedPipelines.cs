using System.IO.Compression;
using System.Reflection;
using Microsoft.ML;

namespace AsFT.MLNet.Fuzzing;

/// <summary>A pipeline as ML.NET saves it; its parts are stored, not compressed, so that a changed byte changes what is read.</summary>
internal static class SavedPipelines
{
    public static IEnumerable<(string, byte[])> Zips()
    {
        var models = Path.Combine(typeof(SavedPipelines).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "TestData").Value!, "models");
        var ml = new MLContext(seed: 1);
        var rows = ml.Data.LoadFromEnumerable(new[] { new Row { Prompt = "Who is Lily?", Response = "A girl.", GeneratedText = "I cannot." } });
        var tuned = ml.Transforms.AsftFineTune(new AsftFineTuneOptions
        {
            AlignedModelPath = Path.Combine(models, "stories260K-aligned"),
            BaseModelPath = Path.Combine(models, "stories260K"),
            Template = "plain",
            Device = "cpu",
            Rank = 1,
            Epochs = 1,
        }).Fit(rows);
        yield return ("tuned.zip", Stored(ml, tuned, rows));
        var judge = ml.Transforms.ScoreHarmfulness(new RefusalMatchOptions(), responseColumnName: nameof(Row.GeneratedText)).Fit(rows);
        yield return ("judge.zip", Stored(ml, judge, rows));
    }

    private static byte[] Stored(MLContext ml, ITransformer model, IDataView rows)
    {
        using var saved = new MemoryStream();
        ml.Model.Save(model, rows.Schema, saved);
        using var stored = new MemoryStream();
        using (var from = new ZipArchive(saved, ZipArchiveMode.Read))
        using (var to = new ZipArchive(stored, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var entry in from.Entries)
            {
                using var source = entry.Open();
                using var target = to.CreateEntry(entry.FullName, CompressionLevel.NoCompression).Open();
                source.CopyTo(target);
            }
        }
        return stored.ToArray();
    }

    private sealed class Row
    {
        public string Prompt { get; set; } = "";

        public string Response { get; set; } = "";

        public string GeneratedText { get; set; } = "";
    }
}
