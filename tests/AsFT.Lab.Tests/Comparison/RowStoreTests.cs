using System.Text.Json;
using AsFT.Lab.Comparison;
using AsFT.Torch.Tests.Checkpoints;

namespace AsFT.Lab.Tests.Comparison;

public class RowStoreTests
{
    [Fact]
    public void Rows_with_nulls_half_lines_and_broken_characters_are_run_again()
    {
        using var folder = new TemporaryFolder();
        var row = new ComparisonRow { Method = "m", Poison = 0, Seed = 1, Split = ComparisonSplit.Report, Seconds = 1, Task = "t", Key = "kept" };
        var line = JsonSerializer.Serialize(row, ComparisonRow.Format);
        File.WriteAllBytes(folder["rows.jsonl"],
        [
            0xEF, 0xBB, 0xBF, .. System.Text.Encoding.UTF8.GetBytes($"{line}\nnull\n{line.Replace("\"m\"", "null", StringComparison.Ordinal).Replace("kept", "no method", StringComparison.Ordinal)}\n{line.Replace("\"kept\"", "null", StringComparison.Ordinal)}\n{{\"method\":\""),
            0xC3,
        ]);
        var store = new RowStore(folder.Path);
        Assert.Equal("m", store.Find("kept")!.Method);
        Assert.Null(store.Find("no method"));
        store.Add(row with { Key = "new" });
        Assert.NotNull(new RowStore(folder.Path).Find("new"));
    }

    [Fact]
    public void A_file_of_rows_in_another_encoding_is_refused()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["rows.jsonl"], "{}", System.Text.Encoding.Unicode);
        Assert.Contains("UTF-16", Assert.Throws<InvalidDataException>(() => new RowStore(folder.Path)).Message, StringComparison.Ordinal);
    }
}
