using System.Text;
using System.Text.Json;
using CsCheck;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Tests.Data;

public sealed class InstructionFileTests : IDisposable
{
    private readonly MLContext _context = new();
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("""[{"instruction":"a","input":"b","output":"c"},{"instruction":"d","output":"e"}]""")]
    [InlineData("{\"instruction\":\"a\",\"input\":\"b\",\"output\":\"c\"}\n{\"output\":\"e\",\"instruction\":\"d\"}")]
    [InlineData("\n\n{\"instruction\":\"a\",\"input\":\"b\",\"output\":\"c\"}\r\n\r\n{\"instruction\":\"d\",\"input\":null,\"output\":\"e\",\"other\":{\"x\":[1]}}\n\n")]
    [InlineData("\uFEFF[\n  {\"instruction\":\"a\",\n\"input\":\"b\",\"output\":\"c\"},\n{\"instruction\":\"d\",\"input\":\"\",\"output\":\"e\"}\n]\n")]
    public void Every_layout_gives_the_same_rows(string content)
    {
        var rows = Rows(Load(content));
        Assert.Equal([("a", "b", "c"), ("d", "", "e")], rows);
    }

    [Fact]
    public void A_pass_can_be_repeated_and_take_some_columns_only()
    {
        var view = Load("{\"instruction\":\"a\",\"output\":\"c\"}\n{\"instruction\":\"b\",\"output\":\"d\"}");
        for (var pass = 0; pass < 2; pass++) Assert.Equal(["c", "d"], view.GetColumn<string>("Response"));
        Assert.Null(view.GetRowCount());
        Assert.False(view.CanShuffle);
    }

    [Fact]
    public void Names_of_fields_and_columns_can_be_chosen()
    {
        var view = Load("""{"q":"a","sys":"s","a":"b"}""", new InstructionFileOptions { PromptField = "q", ResponseField = "a", ContextField = null, SystemField = "sys", PromptColumnName = "Question" });
        Assert.Equal(["Question", "Response", "System"], view.Schema.Select(column => column.Name));
        Assert.Equal(["s"], view.GetColumn<string>("System"));
    }

    [Fact]
    public void Prompts_without_answers_are_read_on_request()
    {
        var view = Load("""{"instruction":"a"}""", new InstructionFileOptions { ResponseIsOptional = true });
        Assert.Equal([("a", "", "")], Rows(view));
    }

    [Theory]
    [InlineData("", "holds no records")]
    [InlineData("  \n \n", "holds no records")]
    [InlineData("[]", "holds no records")]
    [InlineData("[1]", "line 1", "a number")]
    [InlineData("\"text\"", "line 1", "a text")]
    [InlineData("{\"instruction\":\"a\",\"output\":\"b\"}\n\n{\"instruction\":\"c\"}", "line 3", "'output'", "instruction")]
    [InlineData("{\"instruction\":\"a\",\"output\":\"b\"}\n{\"instruction\":\"c\",\"output\":null}", "line 2", "'output' other than null")]
    [InlineData("[\n{\"instruction\":\"a\",\"output\":\"b\"},\n{\"instruction\":\"c\",\n\"output\":7}\n]", "line 4", "'output' is a number")]
    [InlineData("[\n{\"instruction\":\"a\",\"output\":\"b\"},\n{\"instruction\":\"c\",\"output\":\"d\"}\n", "line 4", "malformed JSON")]
    [InlineData("[{\"instruction\":\"a\",\"output\":\"b\"}]\n{}", "line 2", "after the array's end")]
    [InlineData("{\"instruction\":\"a\",\"output\":\"b\"}\n{\"instruction\":\"c\",\"output\":\"d\"", "line 2", "malformed JSON")]
    [InlineData("{\"instruction\":\"a\",\"output\":\"b\"}\n{\"instruction\":\"c\" \"output\":\"d\"}", "line 2", "malformed JSON")]
    [InlineData("prompt,response\na,b\n", "line 1", "malformed JSON")]
    [InlineData("{\"instruction\":\"a\",\"output\":\"b\"}\n{\"instruction\":\"a\",\"\\ud800\":\"b\"}", "line 2", "half of a surrogate pair")]
    [InlineData("{\"instruction\":\"a\",\"output\":\"b\"}\n{\"instruction\":\"a\",\"output\":\"b\",}", "line 2", "a comma stands before the closing bracket")]
    [InlineData("{\"instruction\":\"a\",\n\"output\":\"b\",\"output\":\"c\"}", "line 2", "two fields 'output'")]
    public void A_wrong_file_is_refused_with_its_line(string content, params string[] parts)
    {
        var error = Assert.Throws<InvalidDataException>(() => Rows(Load(content)));
        Assert.Contains("data.json", error.Message);
        Assert.All(parts, part => Assert.Contains(part, error.Message));
    }

    [Fact]
    public void A_missing_file_is_refused_at_once() =>
        Assert.Contains("nowhere.json", Assert.Throws<FileNotFoundException>(() => _context.Data.LoadFromInstructionFile(_folder.File("nowhere.json"))).Message);

    [Fact]
    public void Two_fields_cannot_fill_one_column() =>
        Assert.Contains("'Prompt'", Assert.Throws<ArgumentException>(() => Load("{}", new InstructionFileOptions { ContextColumnName = "Prompt" })).Message);

    [Fact]
    public void One_field_cannot_fill_two_columns() =>
        Assert.Contains("'Prompt', 'Context'", Assert.Throws<ArgumentException>(() => Load("{}", new InstructionFileOptions { PromptField = "input" })).Message);

    [Fact]
    public void Any_texts_survive_in_both_layouts_whatever_the_buffer_cuts() => Gen.Select(Gen.String, Gen.String, Gen.Int[0, 3])
        .Select((prompt, response, blanks) => (Prompt: Clean(prompt), Response: Clean(response), blanks)).Array[1, 20].Sample(records =>
    {
        var lines = records.Select(record => JsonSerializer.Serialize(new { instruction = record.Prompt, output = record.Response }));
        var expected = records.Select(record => (record.Prompt, "", record.Response));
        Assert.Equal(expected, Rows(Load(string.Join('\n', lines.Zip(records, (line, record) => line + new string('\n', record.blanks))))));
        Assert.Equal(expected, Rows(Load($"[{string.Join(",\n", lines)}]")));
    }, iter: 100, threads: 1);

    [Fact]
    public void A_long_file_is_streamed_and_its_lines_are_counted()
    {
        var line = JsonSerializer.Serialize(new { instruction = new string('x', 900), output = "y" });
        var content = new StringBuilder();
        for (var i = 0; i < 3000; i++) content.AppendLine(line);
        content.AppendLine("""{"instruction":"z"}""");
        var view = Load(content.ToString());
        var read = 0;
        var error = Assert.Throws<InvalidDataException>(() =>
        {
            foreach (var _ in view.GetColumn<string>("Response")) read++;
        });
        Assert.Equal(3000, read);
        Assert.Contains("line 3001", error.Message);
    }

    [Fact]
    public void A_record_longer_than_the_buffer_is_read()
    {
        var text = new string('é', 300_000);
        Assert.Equal([(text, "", "b")], Rows(Load(JsonSerializer.Serialize(new { instruction = text, output = "b" }))));
    }

    // Half a surrogate pair is no text that a file can hold.
    private static string Clean(string text) => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));

    private IDataView Load(string content, InstructionFileOptions? options = null) =>
        _context.Data.LoadFromInstructionFile(_folder.Write("data.json", content), options);

    private static List<(string, string, string)> Rows(IDataView view) =>
        [.. view.GetColumn<string>("Prompt").Zip(view.GetColumn<string>("Context"), view.GetColumn<string>("Response"))];
}
