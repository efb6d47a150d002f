using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Tests.Batching;

public sealed class BatchedViewTests
{
    private readonly MLContext _context = new(seed: 1);
    private readonly UpperFunction _function = new();

    [Fact]
    public void All_rows_come_out_in_order_with_their_own_values()
    {
        var rows = _context.Data.CreateEnumerable<Output>(Transformed(10), reuseRowObject: false).ToArray();
        Assert.Equal(Enumerable.Range(0, 10), rows.Select(row => row.Number));
        Assert.All(rows, row =>
        {
            Assert.Equal(row.Text.ToUpperInvariant(), row.Upper);
            Assert.Equal(row.Text.Length, row.Length);
            Assert.Equal(row.Text.Length > 3, row.IsLong);
            Assert.Equal([row.Upper[0], row.Upper[^1]], row.Ends.Select(end => (char)end));
            Assert.Equal([row.Number, row.Number + 1f], row.Vector);
        });
        Assert.Equal([4, 4, 2], _function.BatchSizes);
    }

    [Fact]
    public void A_batch_of_any_size_takes_the_room_of_its_rows()
    {
        var function = new UpperFunction { Size = int.MaxValue };
        var view = new UpperTransformer(function).Transform(Rows(10));
        Assert.Equal(10, view.GetColumn<string>("Upper").Count());
        Assert.Equal([10], function.BatchSizes);
    }

    [Fact]
    public void Several_output_columns_share_one_run()
    {
        var view = Transformed(4);
        using var cursor = view.GetRowCursor(view.Schema);
        var upper = cursor.GetGetter<ReadOnlyMemory<char>>(view.Schema["Upper"]);
        var length = cursor.GetGetter<float>(view.Schema["Length"]);
        while (cursor.MoveNext())
        {
            ReadOnlyMemory<char> text = default;
            var number = 0f;
            upper(ref text);
            length(ref number);
            Assert.Equal(text.Length, number);
        }
        Assert.Equal([4], _function.BatchSizes);
    }

    [Fact]
    public void Nothing_is_computed_where_no_output_column_is_active()
    {
        Assert.Equal(9, Transformed(9).GetColumn<int>("Number").Count());
        Assert.Empty(_function.BatchSizes);
    }

    [Fact]
    public void Nothing_is_computed_where_an_active_column_is_not_read()
    {
        var view = Transformed(9);
        using var cursor = view.GetRowCursor(view.Schema);
        while (cursor.MoveNext())
        {
        }
        Assert.Empty(_function.BatchSizes);
    }

    [Fact]
    public void The_first_row_costs_one_batch_only()
    {
        var upstream = 0;
        var counted = _context.Data.LoadFromEnumerable(Inputs(100).Select(input =>
        {
            upstream++;
            return input;
        }));
        Assert.Equal("ROW0", new UpperTransformer(_function).Transform(counted).GetColumn<string>("Upper").First());
        Assert.Equal([4], _function.BatchSizes);
        Assert.Equal(4, upstream);
    }

    [Fact]
    public void A_row_of_a_batch_that_was_handed_out_is_not_changed_by_the_next()
    {
        var view = Transformed(9);
        using var cursor = view.GetRowCursor(view.Schema);
        var getter = cursor.GetGetter<VBuffer<float>>(view.Schema["Vector"]);
        List<VBuffer<float>> vectors = [];
        while (cursor.MoveNext())
        {
            VBuffer<float> vector = default;
            getter(ref vector);
            vectors.Add(vector);
        }
        Assert.Equal(Enumerable.Range(0, 9).Select(i => (float)i), vectors.Select(vector => vector.GetValues()[0]));
    }

    [Fact]
    public void Ids_and_shuffling_are_the_sources()
    {
        var view = Transformed(5);
        using var source = Rows(5).GetRowCursor([]);
        using var cursor = view.GetRowCursor(view.Schema);
        var (expected, actual) = (source.GetIdGetter(), cursor.GetIdGetter());
        while (cursor.MoveNext())
        {
            Assert.True(source.MoveNext());
            DataViewRowId a = default, b = default;
            expected(ref a);
            actual(ref b);
            Assert.Equal(a, b);
            Assert.Equal(source.Position, cursor.Position);
        }
        Assert.Equal(Rows(5).CanShuffle, view.CanShuffle);
    }

    [Fact]
    public void A_getter_off_the_rows_or_of_another_type_is_refused()
    {
        var view = Transformed(2);
        using var cursor = view.GetRowCursor([view.Schema["Upper"]]);
        var getter = cursor.GetGetter<ReadOnlyMemory<char>>(view.Schema["Upper"]);
        ReadOnlyMemory<char> text = default;
        Assert.Throws<InvalidOperationException>(() => getter(ref text));
        Assert.Throws<InvalidOperationException>(() => cursor.GetGetter<float>(view.Schema["Upper"]));
        Assert.Throws<ArgumentOutOfRangeException>(() => cursor.GetGetter<int>(view.Schema["Number"]));
        while (cursor.MoveNext())
        {
        }
        Assert.False(cursor.MoveNext());
        Assert.Throws<InvalidOperationException>(() => getter(ref text));
    }

    [Fact]
    public void A_prediction_engine_computes_row_by_row()
    {
        using var engine = _context.Model.CreatePredictionEngine<Input, Output>(new UpperTransformer(_function), Rows(1).Schema);
        Assert.Equal("ABC", engine.Predict(new Input { Text = "abc", Vector = [1, 2] }).Upper);
        Assert.Equal("XYZ", engine.Predict(new Input { Text = "xyz", Vector = [1, 2] }).Upper);
        Assert.All(_function.BatchSizes, size => Assert.Equal(1, size));
        Assert.Equal(2, _function.BatchSizes.Count);
    }

    [Fact]
    public void Slot_names_name_the_slots()
    {
        VBuffer<ReadOnlyMemory<char>> names = default;
        Transformed(1).Schema["Ends"].GetSlotNames(ref names);
        Assert.Equal(["first", "last"], names.DenseValues().Select(name => name.ToString()));
    }

    [Fact]
    public void A_cursor_set_is_one_cursor()
    {
        var view = Transformed(3);
        Assert.Single(view.GetRowCursorSet(view.Schema, 8));
    }

    private IDataView Rows(int count) => _context.Data.LoadFromEnumerable(Inputs(count));

    private static IEnumerable<Input> Inputs(int count) => Enumerable.Range(0, count).Select(i => new Input { Text = $"row{i}", Number = i, Vector = [i, i + 1] });

    private IDataView Transformed(int count) => new UpperTransformer(_function).Transform(Rows(count));

    private class Input
    {
        public string Text { get; set; } = "";

        public int Number { get; set; }

        [VectorType(2)] public float[] Vector { get; set; } = [];
    }

    private sealed class Output : Input
    {
        public string Upper { get; set; } = "";

        public float Length { get; set; }

        public bool IsLong { get; set; }

        [VectorType(2)] public float[] Ends { get; set; } = [];
    }
}
