using System.Text;
using AsFT.Torch.Input;
using AsFT.Torch.Safety.Judges;
using AsFT.Torch.Tests.Checkpoints;

namespace AsFT.Torch.Tests.Input;

public class JsonRecordReaderTests
{
    [Theory]
    [InlineData("{\"a\":1}\n{\"a\":\"", "line 2")]
    [InlineData("[{\"a\":1},\n\n{\"a\":\"", "line 3")]
    public void A_record_beyond_the_limit_is_refused_by_the_line_it_starts_on(string before, string line)
    {
        using var folder = new TemporaryFolder();
        using (var file = File.Create(folder["x.jsonl"]))
        {
            file.Write(Encoding.UTF8.GetBytes(before));
            var letters = new byte[1 << 20];
            Array.Fill(letters, (byte)'x');
            for (var i = 0; i < 3; i++) file.Write(letters);
        }
        using var records = new JsonRecordReader(folder["x.jsonl"], maxRecordBytes: 1 << 20);
        Assert.True(records.MoveNext());
        var message = Assert.Throws<InvalidDataException>(() => records.MoveNext()).Message;
        Assert.Contains(line, message, StringComparison.Ordinal);
        Assert.Contains("1048576 bytes", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_reader_of_rows_names_what_lies_there_instead()
    {
        using var folder = new TemporaryFolder();
        var path = folder["rows.json"];
        foreach (var (content, word) in new (byte[], string)[]
        {
            ([.. Encoding.Unicode.Preamble, .. Encoding.Unicode.GetBytes("{}")], "UTF-16"),
            ([0x1F, 0x8B, 8, 0, 0, 0], "gzip"),
            (Encoding.Latin1.GetBytes("{\"instruction\":\"é\",\"prompt\":\"é\",\"response\":\"\",\"category\":{}}"), "Latin-1"),
            ([.. "{\"prompt\":\"a\",\n\"response\":\"\\ud800\",\"category\":{}}"u8], "line 2"),
            ([.. "{\"prompt\":\"a\",\"response\":\"b\",\"category\":{},}"u8], "comma"),
        })
        {
            File.WriteAllBytes(path, content);
            var message = Assert.Throws<InvalidDataException>(() => JudgeExample.ReadFile(path).ToList()).Message;
            Assert.Contains(path, message, StringComparison.Ordinal);
            Assert.Contains(word, message, StringComparison.Ordinal);
        }
    }
}
