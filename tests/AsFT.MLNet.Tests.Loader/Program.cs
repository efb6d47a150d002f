using System.Text;
using Microsoft.ML;
using Microsoft.ML.Data;

// A user's second program: it has AsFT.MLNet beside it but names none of its types. Whatever makes a saved pipeline load here
// must come from ML.NET and from the assembly itself. Rows are a prompt and, behind a tab, a response.
var context = new MLContext();
var model = context.Model.Load(args[0], out _);
var rows = context.Data.LoadFromEnumerable(args.Skip(1).Select(row => row.Split('\t')).Select(parts => new Row { Prompt = parts[0], Response = parts.Length > 1 ? parts[1] : "" }));
var output = model.Transform(rows);
if (output.Schema.GetColumnOrNull("GeneratedText") is not null)
{
    foreach (var answer in output.GetColumn<string>("GeneratedText"))
        Console.WriteLine("answer:" + Convert.ToBase64String(Encoding.UTF8.GetBytes(answer)));
}
if (output.Schema.GetColumnOrNull("CategoryScores") is { } scores)
{
    VBuffer<ReadOnlyMemory<char>> names = default;
    scores.GetSlotNames(ref names);
    Console.WriteLine("categories:" + string.Join('|', names.DenseValues()));
    var vectors = output.GetColumn<float[]>("CategoryScores").Select(vector => string.Join('|', vector.Select(score => score.ToString("R"))));
    foreach (var (isHarmful, vector) in output.GetColumn<bool>("IsHarmful").Zip(vectors)) Console.WriteLine($"score:{isHarmful}|{vector}");
}

internal sealed class Row
{
    public string Prompt { get; set; } = "";

    public string Response { get; set; } = "";
}
