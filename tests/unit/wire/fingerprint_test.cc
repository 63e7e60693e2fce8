// SPDX-License-Identifier: Apache-2.0
#include "millrace/wire/fingerprint.h"

#include <gtest/gtest.h>

#include "tests/unit/wire/sample.h"

namespace millrace::wire {
namespace {

struct A {
  int number = 0;
  std::string text;
};
struct SameAsA {
  std::int32_t number = 5;
  std::string text = "other defaults";
};
struct OtherName {
  int count = 0;
  std::string text;
};
struct OtherOrder {
  std::string text;
  int number = 0;
};
struct OtherWidth {
  long number = 0;
  std::string text;
};
enum class Two { kA, kB };
enum class Three { kA, kB, kC };

TEST(Fingerprint, IsOfTheShapeAndNotOfTheNameOrTheDefaults) {
  EXPECT_EQ(TypeFingerprint<A>(), TypeFingerprint<SameAsA>());
  EXPECT_NE(TypeFingerprint<A>(), TypeFingerprint<OtherName>());
  EXPECT_NE(TypeFingerprint<A>(), TypeFingerprint<OtherOrder>());
  EXPECT_NE(TypeFingerprint<A>(), TypeFingerprint<OtherWidth>());
  EXPECT_NE(TypeFingerprint<Two>(), TypeFingerprint<Three>());
  EXPECT_NE(TypeFingerprint<std::vector<int>>(), TypeFingerprint<std::set<int>>());
  EXPECT_NE(TypeFingerprint<std::optional<int>>(), TypeFingerprint<int>());
}

TEST(Fingerprint, IsTheSameWithEveryCompilerAndOnEveryDay) {
  EXPECT_EQ(TypeDescription<A>(), "{number:int32,text:string,}");
  EXPECT_EQ(TypeDescription<Tree>(), "{name:string,children:list(^0),}");
  EXPECT_EQ(TypeDescription<Choice>(),
            "variant(monostate:{},int64:int64,string:string,Point:{x:int32,y:double,},"
            "list<Point>:list({x:int32,y:double,}),)");
  EXPECT_EQ(TypeDescription<Colour>(), "enum(red=0,dark_blue=1,green=5,)");
  EXPECT_EQ(TypeDescription<Sample>(),
            "{flag:bool,i8:int8,u16:uint16,i64:int64,u64:uint64,f32:float,f64:double,text:string,bytes:bytes,"
            "octets:bytes,colour:enum(red=0,dark_blue=1,green=5,),path:path,duration:duration,run:id,digest:digest,"
            "bits:list(bool),points:list({x:int32,y:double,}),pair_of_points:array(2,{x:int32,y:double,}),"
            "by_name:map(string,list(int32)),by_number:map(int32,string),flat:map(string,{x:int32,y:double,}),"
            "by_colour:map(enum(red=0,dark_blue=1,green=5,),uint64),names:set(string),numbers:set(int32),"
            "labelled:pair(string,enum(minus=0,plus=1,)),maybe:optional({x:int32,y:double,}),"
            "absent:optional(string),choice:" +
                TypeDescription<Choice>() + ",choices:list(" + TypeDescription<Choice>() +
                "),nothing:{},tree:{name:string,children:list(^0),},}");
  EXPECT_EQ(TypeFingerprint<A>(), 0x7f40b65735bf4b56U);  // of SHA-256 over the description
}

}  // namespace
}  // namespace millrace::wire
