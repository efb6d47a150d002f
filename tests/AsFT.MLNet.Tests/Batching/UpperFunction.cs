using AsFT.MLNet.Batching;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Tests.Batching;

/// <summary>A function that costs nothing and remembers how it was called.</summary>
internal sealed class UpperFunction : BatchFunction<string>
{
    public List<int> BatchSizes { get; } = [];

    public override IReadOnlyList<string> Inputs => ["Text"];

    public override IReadOnlyList<BatchColumn<string>> Outputs { get; } =
    [
        BatchColumn.Text<string>("Upper", text => text),
        BatchColumn.Single<string>("Length", text => text.Length),
        BatchColumn.Boolean<string>("IsLong", text => text.Length > 3),
        BatchColumn.Vector<string>("Ends", ["first", "last"], text => [text[0], text[^1]]),
    ];

    public override int BatchSize => Size;

    public int Size { get; init; } = 4;

    public override IReadOnlyList<string> Run(IReadOnlyList<string[]> rows)
    {
        BatchSizes.Add(rows.Count);
        return [.. rows.Select(row => row[0].ToUpperInvariant())];
    }
}

internal sealed class UpperTransformer(UpperFunction function) : ITransformer
{
    private BatchedMapper<string>? _mapper;

    public bool IsRowToRowMapper => true;

    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => Mapper(inputSchema).OutputSchema;

    public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) => Mapper(inputSchema);

    public IDataView Transform(IDataView input) => new BatchedView<string>(Mapper(input.Schema), input);

    void ICanSaveModel.Save(ModelSaveContext ctx) => throw new NotSupportedException();

    private BatchedMapper<string> Mapper(DataViewSchema schema) => ReferenceEquals(_mapper?.InputSchema, schema) ? _mapper! : _mapper = new BatchedMapper<string>(function, schema);
}
